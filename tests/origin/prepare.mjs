// Makes what the stand-in serves with, on first use, under build/origin/: a CA with one server certificate
// (openssl) and real media (ffmpeg). Several test files start at once, so the work is done under flock(1), whose
// lock the kernel gives back however its holder ends; a directory gets its final name only when it is complete.
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { longMedia, makeMedia, mediaKey, usualMedia } from './media.mjs';

const run = promisify(execFile);
const self = fileURLToPath(import.meta.url);
export const buildDir = path.resolve(path.dirname(self), '../../build/origin');

// Names that get a valid certificate. `wrong-name.example` is served too, with this same certificate.
const certificateNames = [
  'localhost',
  'youtube.com',
  '*.youtube.com',
  'youtu.be',
  '*.youtube-nocookie.com',
  '*.googlevideo.com',
  '*.googleapis.com',
  '*.ytimg.com',
  'media.example',
  '*.media.example',
  'cdn.example',
  'inv1.example',
  'inv2.example',
  'resolver.example',
  'sites.example',
  'files.sites.example',
  'api.telegram.org',
  'tiktok.com',
  '*.tiktok.com',
];

const tlsDir = path.join(buildDir, 'tls-4');
const dirOf = (recipes) => path.join(buildDir, `media-${mediaKey(recipes)}`);

async function makeCertificates(dir) {
  const file = (name) => path.join(dir, name);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-x509', '-days', '3650'];
  await run('openssl', [
    'req',
    ...key,
    '-subj',
    '/CN=Sluice test origin CA',
    '-keyout',
    file('ca.key'),
    '-out',
    file('ca.pem'),
    '-addext',
    'keyUsage=critical,keyCertSign,cRLSign',
  ]);
  await run('openssl', [
    'req',
    ...key,
    '-subj',
    '/CN=Sluice test origin',
    '-keyout',
    file('server.key'),
    '-out',
    file('server.pem'),
    '-CA',
    file('ca.pem'),
    '-CAkey',
    file('ca.key'),
    '-addext',
    'basicConstraints=critical,CA:FALSE',
    '-addext',
    `subjectAltName=${certificateNames.map((name) => `DNS:${name}`).join(',')}`,
  ]);
}

async function makeOnce(dir, make) {
  if (existsSync(dir)) return;
  const unfinished = `${dir}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true });
  await make(unfinished);
  renameSync(unfinished, dir);
}

// `long`: also what only the benchmarks need, 700 MB. Returns { caFile, certFile, keyFile, mediaDir, media: rows by
// name, see media.mjs }.
export async function prepare({ long = false } = {}) {
  const sets = long ? [usualMedia, longMedia] : [usualMedia];
  if (![tlsDir, ...sets.map(dirOf)].every(existsSync)) {
    mkdirSync(buildDir, { recursive: true });
    const args = [path.join(buildDir, '.lock'), process.execPath, self, ...(long ? ['--long'] : [])];
    const child = spawn('flock', args, { stdio: ['ignore', 2, 2] });
    const code = await new Promise((resolve, reject) => child.on('error', reject).on('exit', resolve));
    if (code !== 0) throw new Error(`tests/origin/prepare.mjs failed (${code})`);
  }
  const media = {};
  for (const dir of sets.map(dirOf)) {
    Object.assign(media, JSON.parse(readFileSync(path.join(dir, 'media.json'), 'utf8')));
    for (const row of Object.values(media)) row.path ??= path.join(dir, row.file);
  }
  return {
    caFile: path.join(tlsDir, 'ca.pem'),
    certFile: path.join(tlsDir, 'server.pem'),
    keyFile: path.join(tlsDir, 'server.key'),
    mediaDir: dirOf(usualMedia),
    media,
  };
}

if (process.argv[1] === self) {
  await makeOnce(tlsDir, makeCertificates);
  await makeOnce(dirOf(usualMedia), (dir) => makeMedia(dir, usualMedia));
  if (process.argv.includes('--long')) await makeOnce(dirOf(longMedia), (dir) => makeMedia(dir, longMedia));
}
