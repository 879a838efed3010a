// How the stand-in sends an answer, and the scripted ways in which it misbehaves.
//
// A route returns an answer: { status, headers, body: Buffer|string } or { status, headers, file, start, end }
// (bytes of a file, `end` inclusive). A rule changes what is sent:
//   { match: { host?, path?, query?, method?, itag?, range?, video?, generation?, client?, others? }, skip: 0, times: 1, action: { type, … } }
// `generation`: how often the video had been described when its URL was made; `others`: how many requests for the same target are being answered at that moment.
// match: a string must be equal (a trailing or leading * matches any rest), a RegExp must match; a rule lets the
// first `skip` matching requests pass, acts on the next `times` (Infinity: all) and is then spent.
//   stall {after}       sends `after` body bytes, then nothing more; after < 0: not even headers
//   reset {after}       sends `after` body bytes, then a TCP reset; after < 0: instead of headers
//   truncate {after}    promises the whole length, sends `after` bytes, then closes cleanly
//   drip {rate}         `rate` bytes per second
//   delay {ms}          answers properly, but later
//   status {status, headers, body}   this answer instead
//   redirect {to, status}            302 to `to`
//   move {host}         302 to the same on another host
//   html {}             200 with a web page instead of what was asked for
//   huge {bytes}        200 with that many bytes of well-formed JSON
//   lie {…}             a wrong range: start or total: added to the numbers in Content-Range; missing: no
//                       Content-Range; whole: 200 and the whole file; short: n bytes fewer than asked, stated
//                       honestly; flip: the byte at this absolute offset is inverted (right headers, wrong data)
import { createReadStream } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

function fits(pattern, value) {
  if (pattern instanceof RegExp) return pattern.test(value ?? '');
  const text = String(value ?? '');
  const wanted = String(pattern);
  if (wanted.endsWith('*')) return text.startsWith(wanted.slice(0, -1));
  if (wanted.startsWith('*')) return text.endsWith(wanted.slice(1));
  return text === wanted;
}

export function makeRule({ match = {}, skip = 0, times = 1, action }) {
  return { match, skip, times, action };
}

// The action for this request, if a rule has one; counts it.
export function takeAction(rules, seen) {
  for (const rule of rules) {
    if (typeof rule.match.video === 'string' && rule.match.video !== seen.video) continue; // there may be thousands
    if (rule.times <= 0 || !Object.entries(rule.match).every(([key, pattern]) => fits(pattern, seen[key]))) continue;
    if (rule.skip-- > 0) continue;
    rule.times--;
    return rule.action;
  }
  return undefined;
}

function lie(answer, action) {
  if (action.whole)
    return { ...answer, status: 200, start: 0, end: answer.size - 1, headers: { ...answer.headers, 'Content-Range': undefined } };
  if (answer.status !== 206) return answer;
  const start = answer.start + (action.start ?? 0);
  const end = answer.end - Math.min(action.short ?? 0, answer.end - answer.start);
  const range = `bytes ${start}-${end + (action.start ?? 0)}/${answer.size + (action.total ?? 0)}`;
  return {
    ...answer,
    end,
    flip: action.flip,
    headers: { ...answer.headers, 'Content-Range': action.missing ? undefined : range },
  };
}

function replace(req, answer, action) {
  switch (action.type) {
    case 'status':
      return { status: action.status, headers: action.headers ?? { 'Content-Type': 'text/plain' }, body: action.body ?? '' };
    case 'redirect':
      return { status: action.status ?? 302, headers: { Location: action.to }, body: '' };
    case 'move':
      return { status: 302, headers: { Location: `https://${action.host}${req.url}` }, body: '' };
    case 'html':
      return { status: 200, headers: { 'Content-Type': 'text/html' }, body: '<!doctype html><title>Before you continue</title>' };
    case 'huge':
      return { status: 200, headers: { 'Content-Type': 'application/json' }, body: `{"x":"${'x'.repeat(action.bytes - 8)}"}` };
    case 'lie':
      return lie(answer, action);
    default:
      return answer;
  }
}

function length(answer) {
  return answer.file ? answer.end - answer.start + 1 : Buffer.byteLength(answer.body ?? '');
}

// A file of which only the beginning exists: zeros follow up to `size`.
async function* padded({ file, start, end, padFrom }) {
  const zeros = Buffer.alloc(256 * 1024);
  let at = start;
  if (at < padFrom) {
    yield* createReadStream(file, { start, end: Math.min(end, padFrom - 1) });
    at = padFrom;
  }
  for (; at <= end; at += zeros.length) yield zeros.subarray(0, Math.min(zeros.length, end - at + 1));
}

function source(answer) {
  if (answer.padFrom) return padded(answer);
  if (!answer.file) return [Buffer.from(answer.body ?? '')];
  return length(answer) > 0
    ? createReadStream(answer.file, { start: answer.start, end: answer.end, highWaterMark: 256 * 1024 })
    : [];
}

const drained = (res) =>
  new Promise((resolve) => {
    const done = () => {
      res.off('drain', done);
      res.off('close', done);
      resolve();
    };
    res.on('drain', done);
    res.on('close', done);
  });

// Writes at most `limit` bytes, `rate` per second (0: as fast as they are taken).
async function pump(res, answer, entry, limit, rate) {
  let at = answer.start ?? 0;
  const began = performance.now();
  for await (const chunk of source(answer)) {
    const piece = rate ? Math.max(1, Math.ceil(rate / 20)) : chunk.length;
    for (let from = 0; from < chunk.length; from += piece) {
      let part = chunk.subarray(from, Math.min(from + piece, chunk.length, from + limit - entry.bytes));
      if (answer.flip >= at && answer.flip < at + part.length) {
        part = Buffer.from(part);
        part[answer.flip - at] ^= 0xff;
      }
      if (res.destroyed) return;
      if (part.length && !res.write(part)) await drained(res);
      at += part.length;
      entry.bytes += part.length;
      if (entry.bytes >= limit) return;
      if (rate) await sleep((entry.bytes / rate) * 1000 - (performance.now() - began)); // also when we were late before
    }
  }
}

// Everything written so far is with the kernel.
const flushed = (res) => new Promise((resolve) => (res.destroyed ? resolve() : res.write('', () => setTimeout(resolve, 20))));

// Sends `answer`, changed by `action`. `reset` closes the connection with a TCP reset. Fills entry.status, .bytes.
export async function send(req, res, entry, answer, action = { type: 'none' }, reset = () => res.destroy()) {
  if (action.type === 'delay') await sleep(action.ms);
  const sent = replace(req, answer, action);
  const cut = ['stall', 'reset', 'truncate'].includes(action.type) ? (action.after ?? 0) : Infinity;
  if (cut < 0) return action.type === 'stall' ? undefined : reset();

  entry.status = sent.status;
  const headers = { 'Content-Length': length(sent), ...sent.headers };
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) res.setHeader(name, value);
  res.writeHead(sent.status);
  if (req.method === 'HEAD') return res.end();
  res.flushHeaders();
  await pump(res, sent, entry, cut, action.type === 'drip' ? action.rate : (sent.rate ?? 0));
  if (action.type === 'stall') return undefined;
  if (action.type === 'reset') return flushed(res).then(reset);
  if (action.type === 'truncate') return flushed(res).then(() => res.socket?.end());
  return res.end();
}

// Answers a byte range of a stored file as an ordinary web server does. `limit`: the most bytes one request may
// ask for; with `strict` a request without a bounded range is refused, as the media hosts do.
export function answerFile({ file, size, type, rangeHeader, headers = {}, strict = false, limit = Infinity }) {
  const stated = { 'Content-Type': type, 'Accept-Ranges': 'bytes', ...headers };
  const wanted = /^bytes=(\d*)-(\d*)$/.exec(rangeHeader ?? '');
  const bounded = wanted && wanted[1] !== '' && wanted[2] !== '';
  if (strict && (!bounded || Number(wanted[2]) - Number(wanted[1]) + 1 > limit))
    return { status: 403, headers: { 'Content-Type': 'text/plain' }, body: '' };
  if (!wanted || (wanted[1] === '' && wanted[2] === ''))
    return { status: 200, headers: stated, file, start: 0, end: size - 1, size };
  const start = wanted[1] === '' ? Math.max(0, size - Number(wanted[2])) : Number(wanted[1]);
  const end = wanted[1] === '' || wanted[2] === '' ? size - 1 : Math.min(Number(wanted[2]), size - 1);
  if (start >= size || start > end)
    return { status: 416, headers: { 'Content-Range': `bytes */${size}`, 'Content-Type': 'text/plain' }, body: '' };
  return { status: 206, headers: { ...stated, 'Content-Range': `bytes ${start}-${end}/${size}` }, file, start, end, size };
}

export const answerText = (status, type, body) => ({ status, headers: { 'Content-Type': type }, body });
export const answerJson = (status, value) => answerText(status, 'application/json; charset=UTF-8', JSON.stringify(value));
