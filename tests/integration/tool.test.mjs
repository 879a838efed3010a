// The command line: that help, manual and commands are the same; exit codes; looking after the database.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, beforeEach, test } from 'node:test';

import { forkOrigin } from '../origin/origin.mjs';
import { assertNoSanitizerReports, freePort, programEnv, programs, root, run, scratchDir, startStack } from './harness.mjs';

const link = 'https://www.youtube.com/watch?v=sluiceDemo1';
let origin;
let scratch;

before(async () => {
  origin = await forkOrigin();
  scratch = scratchDir();
});
beforeEach(() => origin.reset());
after(async () => {
  await origin.stop();
  assertNoSanitizerReports(scratch);
  rmSync(scratch, { recursive: true, force: true });
});

async function sluice(dataDir, args, env = {}) {
  const done = await run(path.join(programs, 'sluice'), args, { env: programEnv(scratch, { SLUICE_DATA_DIR: dataDir, ...env }) });
  return { ...done, text: done.stdout.toString(), json: () => JSON.parse(done.stdout) };
}
const fresh = (name) => {
  const dir = path.join(scratch, name);
  mkdirSync(dir, { mode: 0o700 });
  return dir;
};

test('help, manual and commands are the same', async () => {
  const help = (await sluice(scratch, ['help'])).text;
  const manual = (await sluice(scratch, ['help', '--man'])).text;
  const lines = help.split('\n').filter((line) => /^ {2}\S/.test(line));
  const names = [...new Set(lines.map((line) => line.trim().split(' ')[0]))];
  assert.ok(names.length >= 10, help);
  const [, commands] = /^\.SH COMMANDS\n([\s\S]*?)^\.SH/m.exec(manual);
  const plain = commands.replaceAll('\\-', '-').replaceAll('\\(aq', "'");
  for (const line of lines) assert.ok(plain.includes(`.B sluice ${line.trim().split('  ')[0]}`), line);
  // What the source dispatches and what help lists.
  const source = readFileSync(path.join(root, 'cgi-bin/sluice.c'), 'utf8');
  const known = [...source.matchAll(/^ {8}\{"([a-z]+)", \w+\},$/gm)].map(([, name]) => name);
  assert.deepEqual(known.sort(), [...names].sort());
  for (const name of names) {
    const wrong = await sluice(scratch, [name, '--no-such-option', 'x']);
    assert.equal(wrong.exit, 2, `${name}: ${wrong.stderr}`);
    assert.match(wrong.stderr, /^sluice: .+\n/, name);
    assert.doesNotMatch(wrong.stderr, /unknown command/);
  }
  assert.equal((await sluice(scratch, ['conjure'])).exit, 2);
});

test('bash completes commands and options', async () => {
  const complete = async (...words) => {
    const script = `source ${root}/cgi-bin/sluice.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _sluice; echo "\${COMPREPLY[*]}"`;
    const done = await run('bash', ['-c', script, 'bash', path.join(programs, 'sluice'), ...words], { cwd: scratch });
    assert.equal(done.stderr, '');
    return done.stdout.toString().trim();
  };
  assert.equal(await complete('d'), 'db doctor');
  assert.equal(await complete('db', ''), '--json backup check migrate path');
  assert.equal(await complete('serve', '--d'), '--data-dir --docroot');
  assert.equal(await complete('hold', 'i'), 'info.fcgi');
});

test('the manual of the settings has every setting, and both are well-formed', async () => {
  const example = (await sluice(scratch, ['config', '--example'])).text;
  const keys = [...example.matchAll(/^#(\w+) = /gm)].map(([, key]) => key);
  const manual = (await sluice(scratch, ['config', '--man'])).text;
  assert.deepEqual([...manual.matchAll(/^\.TP\n\.B (\w+)$/gm)].map(([, key]) => key), keys);
  for (const text of [manual, (await sluice(scratch, ['help', '--man'])).text]) {
    const checked = await run('groff', ['-man', '-ww', '-z', '-Kutf8'], { input: text });
    if (checked.exit === -1) return; // no groff here
    assert.deepEqual([checked.exit, checked.stderr], [0, '']);
  }
});

test('JSON, where people read lines otherwise', async () => {
  assert.match((await sluice(scratch, ['version', '--json'])).json().version, /^\d+\.\d+\.\d+$/);
  assert.ok((await sluice(scratch, ['snippet', '--json'])).json().includes('nginx.conf'));
  assert.deepEqual((await sluice(scratch, ['config', '--check', '--json'])).json(), { ok: true });
  const wrong = await sluice(scratch, ['config', '--check', '--json'], { SLUICE_MAX_ACTIVE: 'many' });
  assert.equal(wrong.exit, 1);
  assert.match(wrong.json().error, /SLUICE_MAX_ACTIVE/);
});

test('db: none, made, sound, copied, damaged', async () => {
  const data = fresh('db');
  const file = path.join(data, 'sluice.db');
  assert.equal((await sluice(data, ['db', 'path'])).text, `${file}\n`);
  for (const what of [['check'], ['backup', path.join(scratch, 'none.db')]]) {
    const none = await sluice(data, ['db', ...what]);
    assert.equal(none.exit, 3, none.stderr);
    assert.ok(!existsSync(file) && !existsSync(path.join(scratch, 'none.db')), 'looking makes nothing');
  }
  assert.ok(!existsSync(path.join(data, 'elsewhere')));
  assert.equal((await sluice(path.join(data, 'elsewhere'), ['db', 'check'])).exit, 3);
  assert.ok(!existsSync(path.join(data, 'elsewhere')));

  const made = (await sluice(data, ['db', 'migrate', '--json'])).json();
  assert.equal(made.schema_before, 0);
  const newest = Math.max(...readdirSync(path.join(root, 'sql')).map((name) => Number(name.slice(0, 3))));
  assert.equal(made.schema, newest);
  assert.equal((await sluice(data, ['db', 'migrate', '--json'])).json().schema_before, newest);
  const sound = await sluice(data, ['db', 'check', '--json']);
  assert.equal(sound.exit, 0);
  assert.deepEqual(sound.json(), { engine: 'sqlite', database: file, sound: true, schema: newest, missing: 0, findings: '' });

  const key = (await sluice(data, ['key', 'create', '--label', 'kept', '--json'])).json();
  const copy = path.join(scratch, 'copy.db');
  const copied = await sluice(data, ['db', 'backup', copy]);
  assert.equal(copied.exit, 0, copied.stderr);
  assert.equal(statSync(copy).mode & 0o777, 0o600);
  assert.equal((await sluice(data, ['db', 'backup', copy])).exit, 1, 'never over a file that is there');
  assert.equal((await sluice(data, ['db', 'backup', file])).exit, 1);
  const database = { SLUICE_DATABASE: `sqlite:${copy}` };
  assert.equal((await sluice(data, ['db', 'check'], database)).exit, 0);
  assert.equal((await sluice(data, ['key', 'show', key.id, '--json'], database)).json().label, 'kept');
  assert.equal((await sluice(data, ['db', 'backup', '/nowhere/x.db'])).exit, 1);
  assert.equal((await sluice(data, ['db', 'backup'])).exit, 2);

  // Of a schema that this program does not know: an older program must not touch it.
  await run('sqlite3', [copy, 'INSERT INTO schema_migration VALUES (999999, \'later\', 0)']);
  const newer = await sluice(data, ['db', 'check'], database);
  assert.equal(newer.exit, 1);
  assert.match(newer.stderr, /newer Sluice/);

  const bytes = readFileSync(file);
  bytes.fill(0xa5, 4096 + 8, 2 * 4096); // a page of the schema's tables
  for (const suffix of ['-wal', '-shm']) rmSync(file + suffix, { force: true });
  writeFileSync(file, bytes);
  const damaged = await sluice(data, ['db', 'check', '--json']);
  assert.equal(damaged.exit, 1, damaged.text);
  assert.equal(damaged.json().sound, false);
  assert.ok(damaged.json().findings.length > 0);
  assert.match((await sluice(data, ['db', 'check'])).text, /DAMAGED/);
});

test('a copy made while the database is written to is whole', async (t) => {
  const stack = await startStack({ origin, env: { SLUICE_RATE_ANONYMOUS: '100000' } });
  t.after(() => stack.stop());
  await stack.info(link);
  // Large enough to take longer than the time between two writes.
  await stack.sql("INSERT INTO media_cache SELECT 'big-' || value, 99999999999, zeroblob(60000) FROM generate_series(1, 500)");
  const hammer = spawn('sqlite3', [path.join(stack.dataDir, 'sluice.db')], { stdio: ['pipe', 'ignore', 'ignore'] });
  hammer.stdin.on('error', () => {});
  hammer.stdin.write("UPDATE media_cache SET expires_unix_s = expires_unix_s + 1 WHERE key = 'big-1';\n".repeat(200000));
  try {
    for (let i = 0; i < 3; i++) {
      const copy = path.join(scratch, `live-${i}.db`);
      const started = Date.now();
      const done = await sluice(stack.dataDir, ['db', 'backup', copy, '--json']);
      assert.equal(done.exit, 0, done.stderr);
      assert.ok(Date.now() - started < 10000, 'writers do not make it begin anew again and again');
      assert.equal(done.json().copy, copy);
      const asked = await run('sqlite3', [copy, 'PRAGMA integrity_check; SELECT count(*) >= 500 FROM media_cache']);
      assert.equal(asked.stdout.toString(), 'ok\n1\n');
    }
    assert.equal(hammer.exitCode, null, 'it wrote all the time');
  } finally {
    hammer.kill('SIGKILL');
  }
});

test('db on a server: no password is shown, nothing is copied', async (t) => {
  const dir = scratchDir(); // its user's own
  const port = await freePort();
  const postgres = (what) => run('sh', [path.join(root, 'tests/postgres.sh'), what, dir, String(port)]);
  const started = await postgres('start');
  assert.equal(started.exit, 0, started.stderr);
  t.after(async () => {
    await postgres('kill');
    rmSync(dir, { recursive: true, force: true });
  });
  const password = "p'w %@:/?"; // as tests/postgres.sh sets it
  const env = { SLUICE_DATABASE: `postgresql://sluice:${encodeURIComponent(password)}@127.0.0.1:${port}/postgres?sslmode=require` };
  const answers = [];
  for (const [exit, ...args] of [
    [0, 'path'],
    [1, 'check'], // nothing was made yet
    [0, 'migrate'],
    [0, 'check'],
    [0, 'check', '--json'],
    [1, 'backup', path.join(scratch, 'pg.db')],
  ]) {
    const answer = await sluice(scratch, ['db', ...args], env);
    assert.equal(answer.exit, exit, `${args.join(' ')}: ${answer.text}${answer.stderr}`);
    assert.doesNotMatch(answer.text + answer.stderr, /p'w|p%27w/);
    answers.push(answer);
  }
  assert.equal(answers[4].json().engine, 'postgresql');
  assert.match(answers[5].stderr, /pg_dump/);
  const gone = await sluice(scratch, ['db', 'migrate'], { SLUICE_DATABASE: env.SLUICE_DATABASE.replace(String(port), '1') });
  assert.equal(gone.exit, 1, gone.text);
});

test('gc deletes what has expired, and only that', async (t) => {
  const stack = await startStack({ origin, env: { SLUICE_RATE_ANONYMOUS: '600' } });
  t.after(() => stack.stop());
  await stack.stream(link, '720p-mp4', { keep: 1000 });
  await stack.sql(`INSERT INTO media_cache VALUES ('old-1', 5, x'00'), ('old-2', 6, x'00');
    INSERT INTO usage_hour VALUES (3600, '', 'old', '', '', '', 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    INSERT INTO token_mark VALUES ('${'0'.repeat(32)}', 8, 1, '', 0, 0, 0, 0);
    INSERT INTO rate (subject, full_unix_us) VALUES ('a:gone', 7); INSERT INTO day_key VALUES (1, zeroblob(32))`);
  const players = path.join(stack.dataDir, 'players');
  mkdirSync(players, { recursive: true });
  for (const [name, days] of [['old-1.js', 40], ['new-1.js', 2]]) {
    writeFileSync(path.join(players, name), 'x');
    const when = Date.now() / 1000 - days * 86400;
    utimesSync(path.join(players, name), when, when);
  }
  const plans = path.join(stack.dataDir, 'plans');
  const good = readdirSync(plans);
  assert.ok(good.length > 0);
  const expired = Buffer.from(readFileSync(path.join(plans, good[0])));
  const name = 'f'.repeat(64);
  expired.write(name, 16, 'latin1');
  expired.writeBigInt64LE(9n, 16 + 64);
  writeFileSync(path.join(plans, name), expired);
  writeFileSync(path.join(plans, 'e'.repeat(64)), 'no value at all');
  const counts = (await sluice(stack.dataDir, ['gc', '--json'])).json();
  assert.deepEqual(counts, { ...counts, link_rows: 1, address_keys: 1, plans: 2, player_scripts: 1, remembered_bytes_over_limit: 0 });
  assert.ok(counts.remembered_rows >= 2 && counts.rate_rows >= 1, JSON.stringify(counts));
  assert.equal(await stack.sql("SELECT count(*) FROM usage_hour WHERE route = 'old'"), '0\n');
  assert.deepEqual(readdirSync(plans).sort(), good.sort());
  assert.deepEqual(readdirSync(players), ['new-1.js']);
  assert.match(await stack.sql('SELECT count(*) > 0 FROM media_cache'), /1/);
  assert.equal(await stack.sql("SELECT count(*) FROM rate WHERE subject LIKE 'a:%'"), '1\n');
  assert.equal((await stack.info(link)).json().cached, true, 'what is remembered still is');
  // What is over its limit goes, too.
  await stack.sql("INSERT INTO media_cache SELECT 'big-' || value, 99999999999, zeroblob(300000) FROM generate_series(1, 10)");
  const less = (await sluice(stack.dataDir, ['gc', '--json'], { SLUICE_DESCRIPTION_BYTES: '1048576' })).json();
  assert.ok(less.remembered_bytes_over_limit > 2000000, JSON.stringify(less));
  const lines = await sluice(stack.dataDir, ['gc']);
  assert.match(lines.text, /^plans +0$/m);
  assert.equal((await sluice(stack.dataDir, ['gc', 'x'])).exit, 2);
});
