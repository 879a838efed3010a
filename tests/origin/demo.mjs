// `make demo`: Sluice with the stand-in instead of the internet.
//   node tests/origin/demo.mjs [--port N] [--data-dir DIR]
// Starts the stand-in, then build/cgi-bin/sluice with two ordinary settings that lead there, and prints links to
// try. A signal ends both; so does the end of either.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { startOrigin } from './origin.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '8080' },
    'data-dir': { type: 'string', default: path.join(root, 'build/run/demo') },
  },
});

const samples = [
  ['https://www.youtube.com/watch?v=sluiceDemo1', '20 s, H.264, AV1, VP9, AAC, Opus'],
  ['https://youtu.be/sluiceLong1', 'two minutes, to merge and to seek in'],
  ['https://youtu.be/sluiceDubs1', 'three languages'],
  ['https://youtu.be/sluiceKids1', 'one small file only'],
  ['https://youtu.be/sluiceAge01', 'an error, explained'],
  ['https://media.example/clip.mp4', 'a plain media file'],
  ['https://www.youtube.com/playlist?list=PLsluice1', 'a playlist'],
  ['still water', 'any words: what a search finds'],
];

const origin = await startOrigin();
const programs = process.env.SLUICE_BIN ?? path.join(root, 'build/cgi-bin');
const sluice = spawn(
  path.join(programs, 'sluice'),
  ['serve', '--port', values.port, '--data-dir', path.resolve(values['data-dir'])],
  { stdio: 'inherit', env: { ...process.env, PROXY_URL: origin.proxyUrl, SLUICE_UPSTREAM_CA_FILE: origin.caFile } },
);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.on(signal, () => sluice.kill(signal === 'SIGHUP' ? 'SIGTERM' : signal));

sluice.on('error', (error) => {
  process.stderr.write(`demo: ${error.message}\n`);
  process.exitCode = 1;
  origin.stop();
});
sluice.on('exit', (code, signal) => {
  process.exitCode = code ?? (signal === 'SIGINT' || signal === 'SIGTERM' ? 0 : 1);
  origin.stop().then(() => process.exit());
});

const width = Math.max(...samples.map(([link]) => link.length));
process.stdout.write(
  `\nNo internet needed: these links work here\n${samples.map(([link, what]) => `  ${link.padEnd(width)}  ${what}\n`).join('')}\n`,
);
