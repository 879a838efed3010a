// The three web servers in front of one and the same running Sluice: lighttpd is that of `sluice serve`, nginx and
// Apache are started from the snippets onto its sockets.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import { nginx } from './stream.mjs';
import { bin, cpuOf, descendants, freePort, root, start, temporaryDirectory, waitFor } from './tools.mjs';

const asRoot = process.getuid() === 0;
const apacheModules = 'mpm_event authz_core authz_host dir mime alias headers env filter deflate proxy proxy_fcgi';

// CPU seconds of a process and all below it that are called `name`.
const cpuOfAll = (pid, name) => cpuOf(pid) + descendants(pid, name).reduce((sum, child) => sum + cpuOf(child), 0);

// Where its sockets are: several may run with the same data.
const runDir = (sluice) => path.join(sluice.dataDir, fs.readdirSync(sluice.dataDir).find((entry) => entry.startsWith('run-') && entry.endsWith(`-${new URL(sluice.base).port}`)));

// The snippet's text, for the sockets of this Sluice; `edit` tries another line in it.
function snippet(sluice, name, port, edit) {
  const values = { port, docroot: path.join(root, 'build/www'), programs: bin, 'run-dir': runDir(sluice) };
  const text = execFileSync(path.join(bin, 'sluice'), ['snippet', name, ...Object.entries(values).flatMap(([key, value]) => [`--${key}`, String(value)])]);
  return edit ? edit(text.toString()) : text.toString();
}

async function startNginx(sluice, connections, edit) {
  const dir = temporaryDirectory();
  const port = await freePort();
  const child = nginx(dir, 'front', `include /etc/nginx/mime.types; ${snippet(sluice, 'nginx.conf', port, edit)}`, connections);
  return { port, pid: child.pid, cpu: () => cpuOfAll(child.pid, 'nginx') };
}

async function startApache(sluice, edit) {
  const dir = temporaryDirectory();
  const port = await freePort();
  const conf = path.join(dir, 'apache.conf');
  if (asRoot) { // its children do not stay root: they have to reach the sockets
    const run = runDir(sluice);
    for (const [file, mode] of [[dir, 0o755], [sluice.dataDir, 0o755], [run, 0o755], [`${run}/info.sock`, 0o666], [`${run}/stream.sock`, 0o666]]) fs.chmodSync(file, mode);
  }
  fs.writeFileSync(conf, `
${apacheModules.split(' ').map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join('\n')}
ServerRoot "${dir}"
ServerName localhost
${asRoot ? 'User www-data\nGroup www-data' : ''}
Listen 127.0.0.1:${port}
DefaultRuntimeDir "${dir}"
Mutex "file:${dir}" default
PidFile "${dir}/apache.pid"
ErrorLog "${dir}/error.log"
TypesConfig /etc/mime.types
${snippet(sluice, 'apache-proxy.conf', port, edit)}`);
  const child = start('/usr/sbin/apache2', ['-D', 'FOREGROUND', '-f', conf], { detached: true });
  return { port, pid: child.pid, cpu: () => cpuOfAll(child.pid, 'apache2') };
}

// One of lighttpd, nginx, apache; `edit` gets the snippet's text and gives another one.
export async function startFront(kind, sluice, { connections = 1024, edit } = {}) {
  const front =
    kind === 'nginx' ? await startNginx(sluice, connections, edit)
    : kind === 'apache' ? await startApache(sluice, edit)
    : { port: Number(new URL(sluice.base).port), pid: sluice.pid, cpu: () => descendants(sluice.pid, 'lighttpd').reduce((sum, pid) => sum + cpuOf(pid), 0) };
  front.base = `http://127.0.0.1:${front.port}`;
  await waitFor(`${front.base}/livez`);
  return front;
}
