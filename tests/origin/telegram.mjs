// Telegram's Bot API: a bot, its channel, and what is sent there. At https://api.telegram.org, and, as a Bot API server
// of one's own would be, at proxyUrl itself. Texts and codes of errors are those of tdlib/telegram-bot-api and of the
// web server in front of it.
//
// Settings, by configure({ telegram: { … } }), on top of `usual`:
//   tokens               good ones; a file_id is good for one bot, whatever its token
//   chats                the bots are in there
//   mayPost              and may post
//   uploadMax, downloadMax, pathMs   limits of the public API; file_path works for pathMs
//   flood                { messages, perMs, retryAfterS }: so many messages in that time, then 429
//   refuse               methods that are answered with 429 and retryAfterS until that is taken back
//   local                as with --local: no limits, file_path is absolute
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { answerFile, answerJson } from './answer.mjs';

export const telegramHost = /^api\.telegram\.org$/;
export const telegramToken = '110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw';
export const otherToken = '222222222:BBHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw';
const usual = {
  tokens: [telegramToken],
  chats: ['-1001234567890', '@sluice_channel'],
  mayPost: true,
  uploadMax: 50 * 1000 * 1000,
  downloadMax: 20 * 1024 * 1024,
  pathMs: 3600 * 1000,
  flood: undefined,
  refuse: undefined,
  local: false,
};
const kinds = { sendDocument: 'document', sendVideo: 'video', sendAudio: 'audio' };
const folders = { document: 'documents', video: 'videos', audio: 'music' };

const fail = (code, description, parameters) => ({
  ...answerJson(code, { ok: false, error_code: code, description, ...(parameters && { parameters }) }),
  ...(parameters && { headers: { 'Content-Type': 'application/json', 'Retry-After': parameters.retry_after } }),
});
const tooMany = (seconds) => fail(429, `Too Many Requests: retry after ${seconds}`, { retry_after: seconds });
const good = (result) => answerJson(200, { ok: true, result });

// RFC 7578: { fields: { name: text }, files: { name: { filename, type, data } } }; undefined: it is not well-formed.
function readForm(type, body) {
  const [, quoted, plain] = /^multipart\/form-data;\s*boundary=(?:"([^"]+)"|([^\s;]+))$/i.exec(type ?? '') ?? [];
  const boundary = quoted ?? plain;
  if (!boundary) return undefined;
  const form = { fields: {}, files: {} };
  const mark = Buffer.from(`\r\n--${boundary}`);
  if (!body.subarray(0, mark.length - 2).equals(mark.subarray(2))) return undefined;
  for (let at = mark.length - 2; ;) {
    const ending = body.subarray(at, at + 2).toString();
    if (ending === '--') return body.subarray(at + 2).toString().trim() === '' ? form : undefined;
    const headEnd = body.indexOf('\r\n\r\n', at);
    const end = body.indexOf(mark, at + 2);
    if (ending !== '\r\n' || headEnd < 0 || end < headEnd + 4) return undefined;
    const head = body.subarray(at + 2, headEnd).toString();
    const [, name] = /^content-disposition:\s*form-data;.*?\bname="([^"]*)"/im.exec(head) ?? [];
    const [, filename] = /^content-disposition:.*?\bfilename="([^"]*)"/im.exec(head) ?? [];
    const data = body.subarray(headEnd + 4, end);
    if (name === undefined) return undefined;
    if (filename === undefined) form.fields[name] = data.toString();
    else form.files[name] = { filename, type: /^content-type:\s*(\S+)/im.exec(head)?.[1], data };
    at = end + mark.length;
  }
}

async function readAll(req, limit) {
  const parts = [];
  let size = 0;
  for await (const part of req) {
    size += part.length;
    if (size <= limit) parts.push(part);
  }
  return size <= limit ? Buffer.concat(parts) : undefined;
}

export function makeTelegram({ settings }) {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'sluice-telegram-'));
  let files = new Map(); // file_id → { bot, kind, path, size, … }
  let paths = new Map(); // file_path → { id, until }
  let sent = []; // times of messages
  let messages = 0;
  const now = () => ({ ...usual, ...settings.telegram });

  const flooded = (method, rules) => {
    if (rules.refuse?.includes(method)) return tooMany(rules.retryAfterS ?? 1);
    if (!kinds[method] || !rules.flood) return undefined;
    sent = sent.filter((at) => at > Date.now() - rules.flood.perMs);
    if (sent.length >= rules.flood.messages) return tooMany(rules.flood.retryAfterS ?? 1);
    sent.push(Date.now());
    return undefined;
  };

  function post(method, bot, form, rules) {
    const kind = kinds[method];
    const { fields, files: parts } = form;
    if (!fields.chat_id) return fail(400, 'Bad Request: chat_id is empty');
    if (!rules.chats.includes(fields.chat_id)) return fail(400, 'Bad Request: chat not found');
    if (!rules.mayPost) return fail(400, 'Bad Request: need administrator rights in the channel chat');
    const part = parts[kind];
    if (!part) return fail(400, `Bad Request: there is no ${kind} in the request`);
    if (!part.data.length) return fail(400, 'Bad Request: file must be non-empty');
    const number = ++messages;
    const id = `BQACAgIAAx${randomBytes(30).toString('base64url')}`;
    const stored = path.join(directory, `${number}`);
    writeFileSync(stored, part.data);
    const file = {
      file_id: id,
      file_unique_id: createHash('sha256').update(part.data).digest('base64url').slice(0, 15),
      file_size: part.data.length,
      file_name: part.filename,
      mime_type: part.type,
    };
    const seconds = Number(fields.duration ?? 0);
    const more = { document: {}, audio: { duration: seconds, title: fields.title, performer: fields.performer }, video: { duration: seconds, width: Number(fields.width ?? 320), height: Number(fields.height ?? 320) } };
    files.set(id, { ...file, bot, kind, number, method, fields, stored, sha256: createHash('sha256').update(part.data).digest('hex') });
    return good({
      message_id: number,
      sender_chat: { id: -1001234567890, title: 'Sluice', type: 'channel' },
      chat: { id: -1001234567890, title: 'Sluice', type: 'channel' },
      date: Math.floor(Date.now() / 1000),
      [kind]: { ...file, ...more[kind] },
    });
  }

  function getFile(bot, id, rules, token) {
    const file = files.get(id);
    if (!id) return fail(400, 'Bad Request: file_id not specified');
    if (!file || file.bot !== bot) return fail(400, file ? 'Bad Request: invalid file_id' : 'Bad Request: wrong file_id or the file is temporarily unavailable');
    if (!rules.local && file.file_size > rules.downloadMax) return fail(400, 'Bad Request: file is too big');
    const relative = `${folders[file.kind]}/file_${file.number}${path.extname(file.file_name)}`;
    paths.set(relative, { id, bot, until: Date.now() + rules.pathMs });
    const { file_unique_id, file_size } = file;
    return good({ file_id: id, file_unique_id, file_size, file_path: rules.local ? `/var/lib/telegram-bot-api/${token}/${relative}` : relative });
  }

  const methods = {
    getMe: (bot) => good({ id: Number(bot), is_bot: true, first_name: 'Sluice', username: 'sluice_demo_bot', can_join_groups: true }),
    getChatMember(bot, form, rules) {
      if (!rules.chats.includes(form.fields.chat_id)) return fail(400, 'Bad Request: chat not found');
      return good({ user: { id: Number(form.fields.user_id), is_bot: true, first_name: 'Sluice' }, status: 'administrator', can_post_messages: rules.mayPost, can_delete_messages: true });
    },
    getFile: (bot, form, rules, token) => getFile(bot, form.fields.file_id, rules, token),
    deleteMessage(bot, form) {
      const file = [...files.values()].find((one) => one.bot === bot && one.number === Number(form.fields.message_id));
      if (!file) return fail(400, 'Bad Request: message to delete not found');
      files.delete(file.file_id);
      return good(true);
    },
  };

  // The form of a POST, or the query of a GET.
  async function read(req, url, rules) {
    if (req.method === 'GET') return { fields: Object.fromEntries(url.searchParams), files: {} };
    if (Number(req.headers['content-length'] ?? 0) > rules.uploadMax + 4096) return undefined;
    const body = await readAll(req, rules.uploadMax + 4096);
    const type = req.headers['content-type'];
    if (!body) return undefined;
    if (/^application\/json/.test(type)) return { fields: Object.fromEntries(Object.entries(JSON.parse(body)).map(([key, value]) => [key, String(value)])), files: {} };
    if (/^application\/x-www-form-urlencoded/.test(type)) return { fields: Object.fromEntries(new URLSearchParams(body.toString())), files: {} };
    return readForm(type, body) ?? { fields: {}, files: {} };
  }

  return {
    // Reads the body itself: undefined where it is not asked.
    async answer({ host, url, headers }, req) {
      const [, token, where] = /^\/bot([^/]+)\/([^/]+)$/.exec(url.pathname) ?? [];
      const [, fileToken, relative] = /^\/file\/bot([^/]+)\/(.+)$/.exec(url.pathname) ?? [];
      const rules = now();
      if (!telegramHost.test(host) && !(host === 'provider.invalid' && (token || fileToken))) return undefined;
      if (fileToken) {
        const path_ = paths.get(relative);
        const file = path_ && path_.until > Date.now() && files.get(path_.id);
        if (!file || !rules.tokens.includes(fileToken) || path_.bot !== fileToken.split(':')[0]) return fail(404, 'Not Found');
        return answerFile({ file: file.stored, size: file.file_size, type: 'application/octet-stream', rangeHeader: headers.range, headers: { ETag: `"${file.file_unique_id}"`, 'Last-Modified': 'Mon, 02 Nov 2026 08:00:00 GMT' } });
      }
      if (!token) return fail(404, 'Not Found');
      if (!rules.tokens.includes(token)) return fail(401, 'Unauthorized');
      const form = await read(req, url, rules.local ? { ...rules, uploadMax: 2000 * 1000 * 1000 } : rules);
      if (!form) return fail(413, 'Request Entity Too Large');
      const [bot] = token.split(':');
      const limited = flooded(where, rules);
      if (limited) return limited;
      if (kinds[where]) return post(where, bot, form, rules);
      return methods[where]?.(bot, form, rules, token) ?? fail(404, 'Not Found: method not found');
    },
    // What was sent and is still there.
    files: () => [...files.values()],
    // Forgets files: file_ids no longer work (`pathsOnly`: only what getFile answered).
    vanish(pathsOnly) {
      paths = new Map();
      if (!pathsOnly) files = new Map();
    },
    reset() {
      files = new Map();
      paths = new Map();
      sent = [];
    },
    stop: () => rmSync(directory, { recursive: true, force: true }),
  };
}
