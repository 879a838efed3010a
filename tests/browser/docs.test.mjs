// The documentation says what the programs do: its tables are those of the source.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { root } from '../integration/harness.mjs';

const read = (file) => readFileSync(path.join(root, file), 'utf8');
const docs = read('www/docs/index.html');

const unescape = (html) => html.replace(/<[^>]+>/g, '').replace(/&#x27;|&#39;/g, "'").replace(/&lt;/g, '<').replace(/&gt;/g, '>').replace(/&quot;/g, '"').replace(/&amp;/g, '&');

// Cells of a table's body, as text.
function table(id) {
  const [, body] = new RegExp(`id="${id}"[\\s\\S]*?<tbody>([\\s\\S]*?)</tbody>`).exec(docs);
  return [...body.matchAll(/<tr>([\s\S]*?)<\/tr>/g)].map(([, row]) => [...row.matchAll(/<t[hd][^>]*>([\s\S]*?)<\/t[hd]>/g)].map(([, cell]) => unescape(cell)));
}

test('every error code, as in src/base/err.c', () => {
  const rows = [...read('src/base/err.c').matchAll(/\{"(\w+)", (\d+), (true|false), "[^"]*",\s*"([^"]*)"\}/g)]
    .map(([, code, status, retry, text]) => [code, status, retry === 'true' ? 'yes' : 'no', text]).filter(([code]) => code !== 'ok');
  assert.ok(rows.length > 25);
  assert.deepEqual(table('error-codes'), rows);
});

test('every setting, as in src/base/config.c', () => {
  const rows = [...read('src/base/config.c').replace(/"\n\s*"/g, '').matchAll(/(?:TEXT|INT|CHOICE|SECRET)\(\s*(\w+),\s*"([^"]*)",(?: \d+, \d+, "([^"]*)",)?(?:\s*"[a-z ]+",)?\s*"([^"]*)"\)/g)]
    .map(([, key, fallback, unit, help]) => [key, fallback + (unit ? ` ${unit}` : ''), help]);
  assert.ok(rows.length > 12);
  assert.deepEqual(table('config-keys'), rows);
});

test('every route, as in src/serve/routes.c', () => {
  const routes = [...read('src/serve/routes.c').matchAll(/^ {4}\{"([^"]+)",/gm)].map(([, route]) => route);
  assert.ok(routes.length > 12);
  for (const route of routes) assert.match(docs, new RegExp(route.endsWith('/') ? route : `${route}(?![\\w/])`), route);
});


test('pages have a strict policy, no inline script or style, and only relative addresses', () => {
  for (const file of ['www/index.html', 'www/docs/index.html', 'www/docs/privacy.html', 'build/www/docs/api.html', 'build/www/docs/examples.html']) {
    const html = read(file);
    assert.match(html, /http-equiv="Content-Security-Policy" content="default-src 'none';/, file);
    assert.doesNotMatch(html.replace("'wasm-unsafe-eval'", ''), /unsafe-|<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)/, file);
    assert.doesNotMatch(html, /\s(?:href|src|action)="(?:\/|\w+:)/, file);
  }
});

test('fragments that are linked exist', () => {
  const pages = ['index.html', 'privacy.html', 'api.html', 'examples.html'];
  for (const page of pages) {
    const html = read(`build/www/docs/${page}`);
    for (const [, target, id] of html.matchAll(/href="([\w.-]*|\.\/)(?:#([\w-]+))?"/g)) {
      const file = target === '' ? page : target === './' ? 'index.html' : target;
      assert.ok(readdirSync(path.join(root, 'build/www/docs')).includes(file), `${page}: ${target}`);
      if (id) assert.match(read(`build/www/docs/${file}`), new RegExp(`id="${id}"`), `${page}: ${target}#${id}`);
    }
  }
  for (const [, page] of read('www/index.html').matchAll(/href="docs\/([\w.]*)"/g)) assert.ok(page === '' || pages.includes(page), page);
});

test('every icon that is used is shipped, and the other way round', () => {
  const [, list] = /icons='([^']*)'/.exec(read('www/build.sh'));
  const shipped = list.trim().split(/\s+/).sort();
  const used = [...new Set([...read('www/sluice.css').matchAll(/var\(--icon-([\w-]+)\)/g)].map(([, name]) => name))].sort();
  assert.deepEqual(shipped, used);
});

test('the lock file names no registry', () => {
  assert.doesNotMatch(read('www/package-lock.json'), /"resolved"|registry/);
  assert.ok(readdirSync(path.join(root, 'www')).includes('.npmrc'));
});
