// `make install` places files by the FHS, and what it placed works from there.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';

import { request, root, startStack } from './harness.mjs';

describe('make install', () => {
  let dest;
  before(() => {
    dest = mkdtempSync(path.join(os.tmpdir(), 'sluice-install-'));
    execFileSync('make', ['-C', root, '--no-print-directory', 'install', `DESTDIR=${dest}`, 'prefix=/usr'], { stdio: 'pipe' });
  });
  after(() => rmSync(dest, { recursive: true, force: true }));

  it('places programs, pages and examples', () => {
    for (const file of [
      'bin/sluice', 'lib/sluice/cgi-bin/info.fcgi', 'lib/sluice/cgi-bin/stream.fcgi', 'share/sluice/www/index.html',
      'share/sluice/www/vendor/bootstrap.min.css', 'share/sluice/www/docs/index.html', 'share/sluice/clients.json',
      'share/man/man1/sluice.1', 'share/bash-completion/completions/sluice', 'share/man/man5/sluice.conf.5', 'share/doc/sluice/README.md', 'share/doc/sluice/lighttpd.conf', 'share/doc/sluice/sluice.conf.example',
    ])
      assert.ok(existsSync(path.join(dest, 'usr', file)), file);
  });

  it('ships configurations that name the places where it was installed', () => {
    for (const name of execFileSync(path.join(dest, 'usr/bin/sluice'), ['snippet']).toString().trim().split('\n')) {
      const text = readFileSync(path.join(dest, 'usr/share/doc/sluice', name), 'utf8');
      assert.doesNotMatch(text, /@[A-Z?]/, name);
      assert.ok(!text.includes(dest) && !text.includes(root), name);
    }
    const nginx = readFileSync(path.join(dest, 'usr/share/doc/sluice/nginx.conf'), 'utf8');
    assert.match(nginx, /alias "\/usr\/share\/sluice\/www\/";/);
    const unit = readFileSync(path.join(dest, 'usr/share/doc/sluice/sluice-stream.service'), 'utf8');
    assert.match(unit, /^ExecStart=\/usr\/bin\/sluice hold stream\.fcgi$/m);
  });

  it('ships an example configuration that checks', () => {
    const example = path.join(dest, 'usr/share/doc/sluice/sluice.conf.example');
    assert.match(readFileSync(example, 'utf8'), /^#data_dir = /m);
    const said = execFileSync(path.join(dest, 'usr/bin/sluice'), ['--check-config', example]).toString();
    assert.equal(said, 'configuration is fine\n');
  });

  it('serves from where it was placed', async () => {
    const stack = await startStack({ bin: path.join(dest, 'usr/bin') });
    try {
      const page = await request(stack.base, '/');
      assert.equal(page.status, 200);
      assert.match(page.text(), /<title>Sluice<\/title>/);
      const info = await request(stack.base, '/api/v1/info?url=sluiceDemo1');
      assert.equal(info.status, 200);
    } finally {
      await stack.stop();
    }
  });
});
