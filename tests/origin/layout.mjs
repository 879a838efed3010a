// Reads what a player answer states about a file: where its init segment and its index lie, and its codecs.
// Only for files we made ourselves; anything unexpected throws.

function mp4Boxes(data) {
  const boxes = [];
  for (let at = 0; at + 8 <= data.length;) {
    const size = data.readUInt32BE(at);
    if (size === 1) break; // 64 bits wide: an mdat, behind all that matters here
    if (size < 8) throw new Error(`box size ${size} at ${at}`);
    boxes.push({ type: data.toString('latin1', at + 4, at + 8), start: at, end: at + size - 1 });
    at += size;
  }
  return boxes;
}

function mp4Codecs(moov) {
  const codecs = [];
  const avc = moov.indexOf('avcC');
  if (avc > 0) codecs.push(`avc1.${moov.toString('hex', avc + 5, avc + 8)}`);
  const av1 = moov.indexOf('av1C');
  if (av1 > 0) {
    // AV1 in ISOBMFF §2.3: marker and version; profile(3) level(5); tier(1) high_bitdepth(1) …
    const [, profileLevel, depth] = moov.subarray(av1 + 4);
    const level = String(profileLevel & 31).padStart(2, '0');
    codecs.push(`av01.${profileLevel >> 5}.${level}${depth & 128 ? 'H' : 'M'}.${depth & 64 ? '10' : '08'}`);
  }
  const vp9 = moov.indexOf('vpcC');
  if (vp9 > 0) {
    // VP Codec ISO Media File Format Binding: version and flags; profile(8) level(8) depth(4) …
    const [profile, level, depth] = moov.subarray(vp9 + 8);
    codecs.push(`vp09.${[profile, level, depth >> 4].map((n) => String(n).padStart(2, '0')).join('.')}`);
  }
  if (moov.includes('mp4a')) codecs.push('mp4a.40.2');
  if (moov.includes('dOps')) codecs.push('opus');
  return codecs.join(', ');
}

function mp4Layout(data) {
  const boxes = mp4Boxes(data);
  const of = (type) => boxes.find((box) => box.type === type);
  const moov = of('moov');
  const codecs = mp4Codecs(data.subarray(moov.start, moov.end + 1));
  if (!of('moof')) return { codecs };
  const [first, second, index] = boxes; // the index, or what is in its place in a file that rewrite.mjs made
  if (first.type !== 'ftyp' || second.type !== 'moov') throw new Error(`unexpected layout: ${boxes.map((box) => box.type)}`);
  return { codecs, init: { start: 0, end: moov.end }, index: { start: index.start, end: index.end } };
}

// An EBML variable-length integer; `keepMarker` for element ids.
function ebmlNumber(data, at, keepMarker) {
  const length = Math.clz32(data[at]) - 23;
  let value = keepMarker ? data[at] : data[at] & (0xff >> length);
  for (let i = 1; i < length; i++) value = value * 256 + data[at + i];
  return { value, next: at + length };
}

function webmLayout(data) {
  const elements = [];
  for (let at = 0; at < data.length;) {
    const id = ebmlNumber(data, at, true);
    const size = ebmlNumber(data, id.next, false);
    elements.push({ id: id.value.toString(16), start: at, end: size.next + size.value - 1 });
    at = id.value === 0x18538067 ? size.next : size.next + size.value; // step into the Segment
  }
  const at = (id) => elements.findIndex((element) => element.id === id);
  const cues = elements[at('1c53bb6b')];
  if (at('1c53bb6b') > at('1f43b675')) throw new Error('Cues after the first Cluster');
  const codecs = [data.includes('V_VP9') && 'vp9', data.includes('A_OPUS') && 'opus'].filter(Boolean).join(', ');
  return { codecs, init: { start: 0, end: cues.start - 1 }, index: { start: cues.start, end: cues.end } };
}

export function readLayout(data, name) {
  if (/\.(mp4|m4a)$/.test(name)) return mp4Layout(data);
  if (/-\d+\.webm$/.test(name)) return webmLayout(data);
  return {};
}
