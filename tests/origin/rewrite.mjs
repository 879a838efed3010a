// Fragmented MP4 files of shapes that ffmpeg does not make: lawful ones that are rare, and broken ones. Each is
// made of a good file by taking its boxes apart and putting them together differently.
// Box names and fields: ISO/IEC 14496-12.
const u16 = (value) => Buffer.from([value >> 8, value & 255]);
const u32 = (value) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
};
const u64 = (value) => Buffer.concat([u32(Math.floor(value / 2 ** 32)), u32(value)]);

export function box(type, ...parts) {
  const body = Buffer.concat(parts);
  return Buffer.concat([u32(body.length + 8), Buffer.from(type, 'latin1'), body]);
}
const fullBox = (type, version, flags, ...parts) => box(type, u32(version * 2 ** 24 + flags), ...parts);

// The boxes in `data`: { type, whole, body }.
export function boxesIn(data) {
  const found = [];
  for (let at = 0; at < data.length;) {
    const small = data.readUInt32BE(at);
    const header = small === 1 ? 16 : 8;
    const size = small === 1 ? Number(data.readBigUInt64BE(at + 8)) : small;
    if (size < header || at + size > data.length) throw new Error(`a box of ${size} bytes at ${at} of ${data.length}`);
    found.push({
      type: data.toString('latin1', at + 4, at + 8),
      whole: data.subarray(at, at + size),
      body: data.subarray(at + header, at + size),
    });
    at += size;
  }
  return found;
}

// The same boxes, those in `change` (functions by path, e.g. 'moof/traf/tfhd') replaced by what these return for
// the box: a Buffer or an array of them.
function rebuild(data, change, inside = '') {
  const containers = ['moof', 'traf', 'moov', 'mvex'];
  return Buffer.concat(
    boxesIn(data).flatMap(({ type, whole, body }) => {
      const name = inside + type;
      const made = containers.includes(type) ? box(type, rebuild(body, change, `${name}/`)) : whole;
      return change[name]?.({ whole: made, body: made.subarray(8) }) ?? made;
    }),
  );
}

// A file of our own making taken apart: what precedes the index, what the index says, the fragment of each
// reference (moof and mdat).
function takeApart(data) {
  const boxes = boxesIn(data);
  const at = boxes.findIndex(({ type }) => type === 'sidx');
  const { body } = boxes[at];
  const wide = body[0] === 1;
  let place = (wide ? 28 : 20) + 2;
  const references = Array.from({ length: body.readUInt16BE(place) }, () => {
    place += 12;
    return { duration: body.readUInt32BE(place - 6), sap: body.readUInt32BE(place - 2) };
  });
  const media = boxes.slice(at + 1).filter(({ type }) => type === 'moof' || type === 'mdat');
  return {
    init: Buffer.concat(boxes.slice(0, at).map(({ whole }) => whole)),
    timescale: body.readUInt32BE(8),
    start: wide ? Number(body.readBigUInt64BE(12)) : body.readUInt32BE(12),
    sidx: boxes[at].whole,
    fragments: references.map((reference, i) => ({ ...reference, moof: media[2 * i].whole, mdat: media[2 * i + 1].whole })),
  };
}

// references: { size, duration, sap, isIndex }.
function makeIndex({ timescale, start }, references, gap = 0) {
  return fullBox(
    'sidx',
    1,
    0,
    u32(1),
    u32(timescale),
    u64(start),
    u64(gap),
    u16(0),
    u16(references.length),
    ...references.flatMap((one) => [u32((one.isIndex ? 2 ** 31 : 0) + one.size), u32(one.duration), u32(one.sap)]),
  );
}

const bytesOf = ({ moof, mdat }) => Buffer.concat([moof, mdat]);

// parts: { bytes, duration, sap } of each reference.
function putTogether(file, parts, between = Buffer.alloc(0)) {
  const index = makeIndex(
    file,
    parts.map((part) => ({ ...part, size: part.bytes.length })),
    between.length,
  );
  return Buffer.concat([file.init, index, between, ...parts.map(({ bytes }) => bytes)]);
}

const eachFragment = (file, change) =>
  putTogether(
    file,
    file.fragments.map((one, i) => ({ ...one, bytes: change(one, i) })),
  );
const inPairs = (list) => list.flatMap((one, i) => (i % 2 ? [] : [list.slice(i, i + 2)]));
const sum = (list, name) => list.reduce((total, one) => total + one[name], 0);

const trunFlag = { offset: 0x1, firstFlags: 0x4, duration: 0x100, size: 0x200, flags: 0x400, cts: 0x800 };

// A trun as two, the second of which continues where the first one's data ends.
function splitTrun({ body }) {
  const flags = body.readUInt32BE(0) & 0xffffff;
  const version = body[0];
  const has = (bit) => (flags & bit ? 1 : 0);
  const fixed = 8 + 4 * (has(trunFlag.offset) + has(trunFlag.firstFlags));
  const each = 4 * (has(trunFlag.duration) + has(trunFlag.size) + has(trunFlag.flags) + has(trunFlag.cts));
  const count = body.readUInt32BE(4);
  const half = count >> 1;
  const cut = fixed + half * each;
  const first = fullBox('trun', version, flags, u32(half), body.subarray(8, cut));
  const later = flags & ~(trunFlag.offset | trunFlag.firstFlags);
  return [first, fullBox('trun', version, later, u32(count - half), body.subarray(cut))];
}

// Moves all data offsets of a moof by as much as `change` has made it longer, and `more`.
function moved(moof, change, more = 0) {
  const changed = rebuild(moof, change);
  const by = changed.length - moof.length + more;
  return rebuild(changed, {
    'moof/traf/trun': ({ whole }) => {
      const copy = Buffer.from(whole);
      if (whole.readUInt32BE(8) & trunFlag.offset) copy.writeInt32BE(whole.readInt32BE(16) + by, 16);
      return copy;
    },
  });
}

const styp = box('styp', Buffer.from('msdh\0\0\0\0msdhmsix', 'latin1'));
const emsg = fullBox(
  'emsg',
  0,
  0,
  Buffer.from('urn:x\0\x31\0', 'latin1'),
  u32(1000),
  u32(0),
  u32(1),
  u32(7),
  Buffer.from('event'),
);
const free = (bytes) => box('free', Buffer.alloc(bytes - 8, 0x55));

// tfhd with flag 1: offsets count from a place in the file that it names.
function withBase(file) {
  const grown = (moof) =>
    moved(moof, {
      'moof/traf/tfhd': ({ body }) =>
        fullBox('tfhd', 0, (body.readUInt32BE(0) & 0xffff) | 1, body.subarray(4, 8), u64(0), body.subarray(8)),
    });
  const parts = file.fragments.map((one) => ({ ...one, moof: grown(one.moof) }));
  let at = putTogether(
    file,
    parts.map((part) => ({ ...part, bytes: bytesOf(part) })),
  ).length;
  at -= sum(parts.map(bytesOf), 'length');
  return putTogether(
    file,
    parts.map((part) => {
      const start = at;
      at += bytesOf(part).length;
      const named = rebuild(part.moof, {
        'moof/traf/tfhd': ({ whole }) => Buffer.concat([whole.subarray(0, 16), u64(start), whole.subarray(24)]),
      });
      return { ...part, bytes: Buffer.concat([named, part.mdat]) };
    }),
  );
}

// Two indexes, and one of these.
function hierarchical(file) {
  const parts = inPairs(file.fragments).map((pair, i) => {
    const media = Buffer.concat(pair.map(bytesOf));
    const start = file.start + sum(file.fragments.slice(0, 2 * i), 'duration');
    const own = makeIndex(
      { ...file, start },
      pair.map((one) => ({ ...one, size: bytesOf(one).length })),
    );
    return { bytes: Buffer.concat([own, media]), own: own.length, duration: sum(pair, 'duration') };
  });
  const references = parts.map(({ bytes, duration }) => ({ size: bytes.length, duration, sap: 0, isIndex: true }));
  return Buffer.concat([file.init, makeIndex(file, references), ...parts.map(({ bytes }) => bytes)]);
}

const overwritten = (data, at, bytes) => Buffer.concat([data.subarray(0, at), bytes, data.subarray(at + bytes.length)]);
const last = (file, i) => i === file.fragments.length - 1;

// Names have five letters, which makes video ids: sluice + name.
export const lawful = {
  moofs: (file) =>
    putTogether(
      file,
      inPairs(file.fragments).map((pair) => ({
        ...pair[0],
        duration: sum(pair, 'duration'),
        bytes: Buffer.concat(pair.map(bytesOf)),
      })),
    ),
  based: withBase,
  styps: (file) => eachFragment(file, (one) => Buffer.concat([styp, emsg, bytesOf(one)])),
  lates: (file) => eachFragment(file, (one, i) => Buffer.concat([last(file, i) ? styp : Buffer.alloc(0), bytesOf(one)])),
  truns: (file) => eachFragment(file, ({ moof, mdat }) => Buffer.concat([moved(moof, { 'moof/traf/trun': splitTrun }), mdat])),
  wides: (file) =>
    eachFragment(file, ({ moof, mdat }) =>
      Buffer.concat([moved(moof, {}, 8), u32(1), Buffer.from('mdat'), u64(mdat.length + 8), mdat.subarray(8)]),
    ),
  apart: (file) =>
    putTogether(
      file,
      file.fragments.map((one) => ({ ...one, bytes: bytesOf(one) })),
      free(333),
    ),
  // From the second fragment on half a second later: a hole in time.
  holes: (file) =>
    eachFragment(file, ({ moof, mdat }, i) =>
      Buffer.concat([
        rebuild(moof, {
          'moof/traf/tfdt': ({ body }) => {
            const time = body[0] === 1 ? Number(body.readBigUInt64BE(4)) : body.readUInt32BE(4);
            const value = time + (i > 0 ? file.timescale / 2 : 0);
            return fullBox('tfdt', body[0], 0, body[0] === 1 ? u64(value) : u32(value));
          },
        }),
        mdat,
      ]),
    ),
};

export const spoilt = {
  nosdx: (file) => Buffer.concat([file.init, free(file.sidx.length), ...file.fragments.map(bytesOf)]),
  hiera: hierarchical,
  // The last reference goes beyond the file.
  longe: (file) => eachFragment(file, bytesOf).subarray(0, -1000),
  // Its moof says that it is longer than its reference.
  boxes: (file) => eachFragment(file, (one, i) => (last(file, i) ? overwritten(bytesOf(one), 0, u32(0x0fffffff)) : bytesOf(one))),
  // The first sample of the last fragment is said to have 4 GiB.
  sizes: (file) =>
    eachFragment(file, (one, i) => {
      const bytes = bytesOf(one);
      const place = bytes.indexOf('trun') + 4;
      const flags = bytes.readUInt32BE(place);
      const at = place + 8 + [trunFlag.offset, trunFlag.firstFlags, trunFlag.duration].filter((bit) => flags & bit).length * 4;
      return last(file, i) ? overwritten(bytes, at, u32(0xfffffff0)) : bytes;
    }),
  // Samples are encrypted.
  sencs: (file) =>
    eachFragment(file, ({ moof, mdat }) =>
      Buffer.concat([moved(moof, { 'moof/traf/tfhd': ({ whole }) => [whole, fullBox('senc', 0, 0, u32(0))] }), mdat]),
    ),
  traks: (file) => {
    const init = rebuild(file.init, { 'moov/trak': ({ whole }) => [whole, whole] });
    return putTogether(
      { ...file, init },
      file.fragments.map((one) => ({ ...one, bytes: bytesOf(one) })),
    );
  },
};

// File name → what it is made of, and how.
export const rewrites = Object.fromEntries(
  Object.entries({ ...lawful, ...spoilt }).flatMap(([name, change]) =>
    ['160.mp4', '140.m4a'].map((end) => [`${name}-${end}`, { from: `short-${end}`, make: (data) => change(takeApart(data)) }]),
  ),
);
