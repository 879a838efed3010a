// `make bench`: every figure beside its peer, measured in the same run on the same machine. Trust the ratios.
//   node tests/bench/bench.mjs [info] [stream] [servers] [merge] [made] [slow] [room] [slices] [kept] [s3]
import os from 'node:os';

import { benchInfo } from './info.mjs';
import { benchKept } from './kept.mjs';
import { benchMade } from './made.mjs';
import { benchMerge } from './merge.mjs';
import { benchRoom } from './room.mjs';
import { benchS3 } from './s3.mjs';
import { benchServers } from './servers.mjs';
import { benchSlices } from './slices.mjs';
import { benchSlow } from './slow.mjs';
import { benchStream } from './stream.mjs';
import { endAll } from './tools.mjs';

const all = { info: benchInfo, stream: benchStream, servers: benchServers, merge: benchMerge, made: benchMade, slow: benchSlow, room: benchRoom, slices: benchSlices, kept: benchKept, s3: benchS3 };
const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(all);
process.on('uncaughtException', async (error) => {
  console.error(error);
  await endAll();
  process.exit(1);
});
const table = [['what', 'Sluice', 'peer', 'ratio']];
try {
  for (const name of wanted) await all[name](table);
} finally {
  await endAll();
}
const widths = table[0].map((_, i) => Math.max(...table.map((row) => row[i].length)));
console.log(`\n${os.cpus().length} cores, ${os.cpus()[0].model}; medians`);
for (const row of table) console.log(row.map((cell, i) => cell.padEnd(widths[i])).join('  '));
