// Merging what is not built as usual: fragmented files of rare shapes are merged all the same, those that cannot be
// are made by libav, and broken ones end in a clear problem before any header. The files: tests/origin/rewrite.mjs.
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { lawful, spoilt } from '../origin/rewrite.mjs';
import { assertProblem, scratchDir, sha256, startStack } from './harness.mjs';
import { assertSameRows, boxTypes, decoded, durationOf, packets, readByMp4box, seeded } from './mp4.mjs';

const target = (name, fields) =>
  `/api/v1/stream?${new URLSearchParams({ url: `https://www.youtube.com/watch?v=sluice${name}`, choice: '144p-mp4', ...fields })}`;
const random = seeded(7);
let stack;
let origin;
let scratch;

before(async () => {
  scratch = scratchDir();
  stack = await startStack();
  origin = stack.origin;
});
after(async () => {
  rmSync(scratch, { recursive: true, force: true });
  await stack?.stop();
});

// Files that hold the packets which those of `name` hold. ffprobe does not read all of them as it should, but all of
// them hold what their originals do; save the one with a hole in time.
const sourceOf = (name, kind) =>
  origin.media[`${name === 'holes' ? 'holes' : 'short'}-${kind === 'V' ? '160.mp4' : '140.m4a'}`].path;

const sampleOf = (row) => row.split(' ').slice(2, 4).join(' ');

async function save(answer) {
  assert.equal(answer.status, 200, answer.status >= 400 ? answer.text() : '');
  assert.ok(answer.complete);
  const file = path.join(scratch, 'file.mp4');
  writeFileSync(file, answer.body);
  return file;
}

describe('lawful, but rare', () => {
  // Where the numbers of a fragment are cannot be told from its first one, or they count from the file's beginning.
  const needTables = ['moofs', 'based'];

  for (const name of Object.keys(lawful))
    for (const layout of ['progressive', 'fragmented'])
      test(`${name}, ${layout}`, async () => {
        const link = target(name, { layout });
        const answer = await stack.get(link);
        const file = await save(answer);
        assert.equal(answer.headers['content-length'], String(answer.body.length));
        const types = boxTypes(answer.body);
        assert.ok(types.indexOf('moov') < types.indexOf('mdat'));
        if (layout === 'progressive' || needTables.includes(name)) assert.deepEqual(types, ['ftyp', 'moov', 'mdat']);
        const { tracks } = readByMp4box(answer.body);
        for (const [i, kind] of ['V', 'a'].entries()) {
          const expected = await packets(sourceOf(name, kind), kind);
          assertSameRows(tracks[i].samples, expected.slice(1).map(sampleOf), kind);
          // ffprobe takes the second trun's data from the wrong place.
          if (name !== 'truns' || layout === 'progressive') assertSameRows(await packets(file, kind), expected, kind);
        }
        for (let i = 0; i < 20; i++) {
          const start = random(answer.body.length);
          const end = Math.min(start + random(50000), answer.body.length - 1);
          const part = await stack.get(link, { headers: { Range: `bytes=${start}-${end}` } });
          assert.equal(part.status, 206);
          assert.ok(part.body.equals(answer.body.subarray(start, end + 1)), `bytes ${start}-${end}`);
        }
      });
});

describe('not to be planned', () => {
  for (const name of ['nosdx', 'traks', 'NoIdx'])
    test(`${name}: made by libav`, async () => {
      const answer = await stack.get(target(name, {}));
      const file = await save(answer);
      for (const kind of ['V', 'a']) {
        const bytesOf = (rows) => rows.slice(1).map((row) => row.split(' ').slice(2).join(' '));
        assertSameRows(bytesOf(await packets(file, kind)), bytesOf(await packets(sourceOf(name, kind), kind)), kind);
      }
      assert.ok(Math.abs((await durationOf(file)) - 20.03) < 0.15, `${await durationOf(file)} s`);
      assert.equal((await decoded(file, 'v')).length, 480);
    });

  const problems = {
    hiera: [404, 'no_such_choice'],
    longe: [502, 'upstream_failed'],
    boxes: [502, 'upstream_failed'],
    sizes: [502, 'upstream_failed'],
    sencs: [403, 'drm'],
  };

  test('all of them are tried here', () => {
    assert.deepEqual([...Object.keys(problems), 'nosdx', 'traks'].sort(), Object.keys(spoilt).sort());
  });
  for (const [name, [status, code]] of Object.entries(problems))
    for (const fields of [{}, { layout: 'fragmented' }, { start: '2' }])
      test(`${name}: ${code} (${new URLSearchParams(fields)})`, async () => {
        const first = await stack.get(target(name, fields));
        // This layout passes on what it has not looked into, as the source has it; how much it has read is chance.
        if (fields.layout && ['boxes', 'sizes'].includes(name) && first.status === 200) return assert.ok(first.complete);
        const problem = assertProblem(first, status, code);
        assert.equal(problem.retryable, status === 502);
        assertProblem(await stack.get(target(name, fields), { headers: { Range: 'bytes=0-99' } }), status, code);
      });

  test('a clip that does without the broken part is none the worse', async () => {
    const fields = { start: '2', end: '9', metadata: '0' };
    const answer = await stack.get(target('boxes', fields));
    const clip = await save(answer);
    assert.ok(Math.abs((await durationOf(clip)) - 7) < 0.05);
    assert.equal(sha256(answer.body), sha256((await stack.get(target('sizes', fields))).body));
  });

  test('libav makes no clips', async () => {
    assertProblem(await stack.get(target('NoIdx', { start: '2' })), 400, 'bad_request');
    assertProblem(await stack.get(target('nosdx', { start: '2', end: '9' })), 404, 'no_such_choice');
  });

  test('the file as it is can be had', async () => {
    const answer = await stack.get(target('longe', { choice: 'format-160' }));
    assert.equal(answer.body.length, origin.media['longe-160.mp4'].size);
  });
});
