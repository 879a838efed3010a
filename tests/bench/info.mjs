// info.fcgi: cached answers per second beside an empty FastCGI program, and the CPU of a cold call beside yt-dlp.
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import { op, startKeeper } from '../integration/keeper.mjs';
import { forkOrigin } from '../origin/origin.mjs';
import { playerScript } from '../origin/player.mjs';
import { atEnd, bin, descendants, freePort, get, median, root, rssOf, start, startSluice, temporaryDirectory, waitFor, wrk } from './tools.mjs';

const video = 'https://www.youtube.com/watch?v=sluiceDemo1';

async function emptyPeer() {
  const port = await freePort();
  const dir = temporaryDirectory();
  const conf = path.join(dir, 'lighttpd.conf');
  fs.writeFileSync(conf, `
server.document-root = "${dir}"
server.bind = "127.0.0.1"
server.port = ${port}
server.modules = ("mod_fastcgi")
server.max-fds = 20000
server.stream-response-body = 2
fastcgi.server = ("/" => (("socket" => "${dir}/empty.sock", "bin-path" => "${root}/build/bench/empty", "max-procs" => 1, "check-local" => "disable")))
`);
  start('/usr/sbin/lighttpd', ['-D', '-f', conf]);
  await waitFor(`http://127.0.0.1:${port}/`);
  return `http://127.0.0.1:${port}/`;
}

// CPU ms of one `yt-dlp -J` of a plain file: a new process, as the services that call it do. null: not installed.
function ytdlpCpu(origin) {
  if (spawnSync('yt-dlp', ['--version']).error) return null;
  const command = `TIMEFORMAT='%U %S'; time yt-dlp -J --proxy '${origin.proxyUrl}' --no-check-certificates https://media.example/clip.mp4 >/dev/null 2>&1 || exit 1`;
  const times = [0, 1, 2].map(() => {
    const done = spawnSync('bash', ['-c', command]);
    if (done.status !== 0) throw new Error('yt-dlp -J fails');
    const [user, system] = done.stderr.toString().trim().split(' ').map(Number);
    return (user + system) * 1000;
  });
  return median(times);
}

async function coldCpu(sluice, link, calls) {
  const url = `${sluice.base}/api/v1/info?url=${encodeURIComponent(link)}`;
  const ask = async () => {
    const answer = await get(url);
    if (answer.status !== 200) throw new Error(`cold info answers ${answer.status}: ${answer.body}`);
  };
  for (let i = 0; i < 5; i++) await ask();
  const before = sluice.cpu('info.fcgi');
  for (let i = 0; i < calls; i++) await ask();
  return ((sluice.cpu('info.fcgi') - before) * 1000) / calls;
}

// What quotas cost: CPU of info.fcgi per cached answer, without any limit and with them, one after the other several times.
async function benchLimits(table, env, free) {
  const limited = await startSluice({ ...env, SLUICE_RATE_ANONYMOUS: '1000000000' });
  const made = execFileSync(path.join(bin, 'sluice'), ['key', 'create', '--label', 'bench', '--limit', '1000000000', '--json'], {
    env: { ...process.env, SLUICE_DATA_DIR: limited.dataDir },
  });
  const { key } = JSON.parse(made);
  const target = `/api/v1/info?url=${encodeURIComponent(video)}`;
  const cases = [
    ['none', free, {}],
    ['an address', limited, {}],
    ['a key', limited, { Authorization: `Bearer ${key}` }],
  ].map(([name, sluice, headers]) => ({ name, sluice, headers, cpu: [] }));
  for (const { sluice, headers } of cases) await get(sluice.base + target, headers);
  for (let round = 0; round < 7; round++) {
    for (const { sluice, headers, cpu } of cases) {
      const before = sluice.cpu('info.fcgi');
      const { requests, errors } = wrk(sluice.base + target, { seconds: 2, headers });
      if (errors) throw new Error(`${errors} failed requests`);
      cpu.push(((sluice.cpu('info.fcgi') - before) * 1e6) / requests);
    }
  }
  const [none, ...checked] = cases;
  for (const { name, cpu } of checked) {
    const ratio = median(cpu.map((us, round) => us / none.cpu[round])); // neighbours in time: what else runs here matters less
    table.push([`info cached, with the quota of ${name}, CPU us`, median(cpu).toFixed(1), `without ${median(none.cpu).toFixed(1)}`, ratio.toFixed(2)]);
  }
}

// Player scripts: a real one where SLUICE_TEST_PLAYER names it, else the stand-in's, which is small.
async function benchSolver(table) {
  const real = process.env.SLUICE_TEST_PLAYER;
  const source = real ? fs.readFileSync(real, 'utf8') : playerScript;
  const keeper = startKeeper(bin);
  atEnd(() => keeper.stop());
  const timed = async (...question) => {
    const began = performance.now();
    const answer = await keeper.ask(...question);
    if (answer.op !== op.text && answer.op !== op.done) throw new Error(`the keeper answers ${answer.op}: ${answer.text}`);
    return [performance.now() - began, answer.text];
  };
  const [prepareMs, prepared] = await timed(op.prepare, source);
  const [loadMs] = await timed(op.load, `p\0${prepared.slice(prepared.indexOf('\n') + 1)}`);
  const solveMs = [];
  for (let i = 0; i < 50; i++) solveMs.push((await timed(op.solve, `p\0[[null,"NsKvLPlvkkdJ9X${100 + i}"]]`))[0]);
  const [child] = descendants(keeper.pid, 'sluice-js');
  const which = real ? `a real player of ${(source.length / 1e6).toFixed(2)} MB` : 'the stand-in player';
  table.push(['player script prepared, once for each player, ms', prepareMs.toFixed(0), which, '']);
  table.push(['prepared script loaded into a new child, ms', loadMs.toFixed(0), '', '']);
  table.push(['an n solved by the resident child, ms', median(solveMs).toFixed(2), 'at most 5', (median(solveMs) / 5).toFixed(2)]);
  table.push(['memory of that child, MB', (rssOf(child) / 1e6).toFixed(0), '', '']);
}

export async function benchInfo(table) {
  const origin = await forkOrigin(); // wrk and yt-dlp are waited for with everything here at rest
  atEnd(() => origin.stop());
  const env = { PROXY_URL: origin.proxyUrl, SLUICE_UPSTREAM_CA_FILE: origin.caFile, SLUICE_LOG_LEVEL: 'warn' };
  const sluice = await startSluice(env);
  const url = `${sluice.base}/api/v1/info?url=${encodeURIComponent(video)}`;
  const first = await get(url);
  if (first.status !== 200) throw new Error(`info answers ${first.status}: ${first.body}`);

  const empty = await emptyPeer();
  const peer = wrk(empty);
  const cached = wrk(url);
  table.push(['info cached, requests/s behind lighttpd', cached.rps.toFixed(0), `empty libfcgi answer ${peer.rps.toFixed(0)}`, (cached.rps / peer.rps).toFixed(2)]);
  table.push(['info cached, p99 ms at full load', cached.p99_ms.toFixed(2), `empty libfcgi answer ${peer.p99_ms.toFixed(2)}`, (cached.p99_ms / peer.p99_ms).toFixed(2)]);
  if (cached.errors) throw new Error(`${cached.errors} failed requests`);

  await benchLimits(table, env, sluice);

  const cold = await startSluice({ ...env, SLUICE_CACHE_TTL_S: '0', SLUICE_UPSTREAM_INTERVAL_MS: '0' });
  const youtube = await coldCpu(cold, video, 200);
  const file = await coldCpu(cold, 'https://media.example/clip.mp4', 100);
  const peerMs = ytdlpCpu(origin);
  table.push(['info cold, a video, CPU ms per call', youtube.toFixed(2),
    peerMs === null ? 'yt-dlp is not installed' : `yt-dlp -J of a plain file ${peerMs.toFixed(0)}`, peerMs === null ? '' : (youtube / peerMs).toFixed(3)]);
  const embedded = await coldCpu(cold, 'https://www.youtube.com/watch?v=sluiceJs001', 50);
  table.push(['info cold, a video that needs the player script, CPU ms per call', embedded.toFixed(2), '', '']);
  table.push(['info cold, a plain file, CPU ms per call', file.toFixed(2),
    peerMs === null ? 'yt-dlp is not installed' : `yt-dlp -J ${peerMs.toFixed(0)}`, peerMs === null ? '' : (file / peerMs).toFixed(3)]);
  await benchSolver(table);
}
