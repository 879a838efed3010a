// Node 18 or a browser: look a link up, choose by rule, save the file.
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

const sluice = process.env.SLUICE ?? 'http://127.0.0.1:8080';

const answer = await fetch(`${sluice}/api/v1/info?${new URLSearchParams({ url: process.argv[2] })}`);
const info = await answer.json();
if (!answer.ok) throw new Error(`${info.code}: ${info.detail}`);

// the smallest file with picture and sound that is at least 360p
const choice = info.choices
  .filter(({ kind, formats, height }) => kind === 'video' && formats.length > 1 && height >= 360)
  .sort((a, b) => a.size_bytes - b.size_bytes)[0];

const file = await fetch(new URL(choice.stream_url, sluice));
await pipeline(Readable.fromWeb(file.body), createWriteStream(`${info.id}.${choice.container}`));
console.log(`${info.id}.${choice.container}`, file.headers.get('content-length'));
