// sluice-keep for tests and benchmarks.
import { spawn } from 'node:child_process';
import path from 'node:path';

// The keeper as a program has it: frames on its descriptor 0.
export function startKeeper(programs) {
  const keeper = spawn(
    'sh',
    ['-c', 'exec "$0" "$1" 0<&3 3<&-', path.join(programs, 'sluice-keep'), path.join(programs, 'sluice-js')],
    { stdio: ['ignore', 'ignore', 'ignore', 'pipe'], env: {} },
  );
  const socket = keeper.stdio[3];
  let got = Buffer.alloc(0);
  let wake;
  socket.on('data', (data) => {
    got = Buffer.concat([got, data]);
    wake?.();
  });
  const take = async (size) => {
    while (got.length < size) await new Promise((resolve) => (wake = resolve));
    const taken = got.subarray(0, size);
    got = got.subarray(size);
    return taken;
  };
  return {
    async ask(op, text, limitMs = 30000) {
      const body = Buffer.from(text);
      socket.write(Buffer.concat([Buffer.from(Uint32Array.of(op, body.length, limitMs).buffer), body]));
      const head = await take(12);
      return { op: head.readUInt32LE(0), text: (await take(head.readUInt32LE(4))).toString() };
    },
    pid: keeper.pid,
    stop: () => socket.destroy(),
  };
}
export const op = { prepare: 1, load: 2, solve: 3, text: 4, done: 5 };
