// Every language says everything, and nothing else; English says what the programs say.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';

import { root } from '../integration/harness.mjs';

const read = (file) => readFileSync(path.join(root, file), 'utf8');
const folder = path.join(root, 'www/locales');
const locales = new Map(readdirSync(folder).sort().map((file) => [file.replace(/\.json$/, ''), JSON.parse(read(`www/locales/${file}`))]));
const english = locales.get('en');
const pages = ['unreachable', 'nonsense', 'disk', 'disk_full']; // what only the page can find out

const placeholders = (text) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();
const isPlural = (key) => /\.(zero|one|two|few|many|other)$/.test(key) && `${key.replace(/\.\w+$/, '')}.one` in english;
const stem = (key) => (isPlural(key) ? key.replace(/\.\w+$/, '') : key);

test('the twelve languages, each known to the page by its own name', () => {
  assert.deepEqual([...locales.keys()], ['ar', 'de', 'en', 'es', 'fr', 'hi', 'id', 'ja', 'pt', 'ru', 'tr', 'zh']);
  const [, list] = /languages = \{([^}]*)\}/.exec(read('www/js/i18n.js'));
  const known = [...list.matchAll(/(\w+): '([^']*)'/g)].map(([, tag, name]) => [tag, name]);
  assert.deepEqual(known, [...locales].map(([tag, texts]) => [tag, texts['lang.name']]));
});

test('English has the sentence, and the next step, of every error code of src/base/err.c', () => {
  const rows = [...read('src/base/err.c').replace(/"\n\s*"/g, '').matchAll(/\{"(\w+)", \d+, (?:true|false), "([^"]*)",\s*"([^"]*)"\}/g)].filter(([, code]) => code !== 'ok');
  assert.ok(rows.length > 25);
  for (const [, code, title, text] of rows) {
    assert.equal(english[`error.${code}.title`], title);
    assert.equal(english[`error.${code}.text`], text);
  }
  const codes = [...rows.map(([, code]) => code), ...pages].sort();
  const of = (pattern) => Object.keys(english).map((key) => pattern.exec(key)?.[1]).filter(Boolean).sort();
  for (const pattern of [/^error\.(\w+)\.title$/, /^error\.(\w+)\.text$/, /^next\.(\w+)$/]) assert.deepEqual(of(pattern), codes);
});

test('every text is used, and every text that is used is there', () => {
  const sources = ['www/index.html', 'src/serve/page.c', 'src/serve/page_list.c', 'src/http/frame.c', 'src/http/problem.c', ...readdirSync(path.join(root, 'www/js')).filter((file) => file.endsWith('.js')).map((file) => `www/js/${file}`)].map(read).join('\n');
  const literal = new Set([...sources.matchAll(/['"`]([a-z]+(?:\.[a-z_]+)*)['"`]/g)].map(([, key]) => key));
  const made = [/^error\./, /^next\./, /^group\.(both|video|audio)$/, /^best\./, /^batch\.rule_/, /^downloads\.(pause|resume|retry|cancel)$/];
  for (const key of Object.keys(english))
    assert.ok(literal.has(stem(key)) || made.some((pattern) => pattern.test(key)), `nobody says ${key}`);
  const roots = new Set(Object.keys(english).map((key) => key.split('.')[0]));
  for (const key of literal)
    if (/^[a-z]+\.[a-z_.]+$/.test(key) && roots.has(key.split('.')[0]) && !/\.(js|json|html)$/.test(key))
      assert.ok(key in english || `${key}.other` in english, `${key} is not there`);
});

for (const [tag, texts] of locales) {
  describe(tag, () => {
    test('no key is missing or too many', () => {
      const stems = (all) => [...new Set(Object.keys(all).map(stem))].sort();
      assert.deepEqual(stems(texts), stems(english));
    });

    test('plurals are those of the language', () => {
      const rules = new Intl.PluralRules(tag);
      const wanted = [...new Set(Array.from({ length: 201 }, (_, n) => rules.select(n)))];
      for (const name of new Set(Object.keys(english).filter(isPlural).map(stem)))
        for (const kind of new Set([...wanted, 'other'])) assert.ok(`${name}.${kind}` in texts, `${name}.${kind}`);
      for (const key of Object.keys(texts).filter(isPlural)) assert.ok(wanted.includes(key.split('.').at(-1)) || key.endsWith('.other'), key);
    });

    test('placeholders agree; the server fills in one at most', () => {
      const server = ['serve/page', 'serve/page_list', 'http/frame'].map((name) => read(`src/${name}.c`)).join('');
      for (const [key, text] of Object.entries(texts)) {
        const model = english[key] ?? english[`${stem(key)}.other`];
        // "one link" may do without its number
        if (!/\.(zero|one|two)$/.test(key)) assert.deepEqual(placeholders(text), placeholders(model), key);
        if (server.includes(`"${key}"`)) assert.ok(placeholders(text).length <= 1, key);
      }
    });

    test('fit for the C file and for attributes: one line each, no quotes, no markup', () => {
      assert.doesNotMatch(read(`www/locales/${tag}.json`), /\\/);
      for (const [key, text] of Object.entries(texts)) {
        assert.ok(typeof text === 'string' && (text.trim() === text || key === 'number.group') && text.length > 0, key);
        assert.doesNotMatch(text, /["<>&\p{Cc}]/u, key);
      }
      assert.match(texts['number.decimal'], /^[.,]$/);
      assert.match(texts['number.group_size'], /^[23]$/);
      assert.equal(texts['lang.dir'], tag === 'ar' ? 'rtl' : 'ltr');
      for (const key of ['units.size', 'units.rate']) assert.equal(texts[key].split(' ').length, 5, key);
    });

    if (tag !== 'en')
      test('is a translation', () => {
        const same = Object.entries(texts).filter(([key, text]) => /^(error|next|hint|promise|downloads|problem)\./.test(key) && text === english[key]);
        assert.deepEqual(same.filter(([, text]) => /\s/.test(text)), []);
      });
  });
}
