/* Numbers and names as people say them. The marks in numbers and the units come from the locale files, not from
 * Intl: the server writes the same ones. */
import { language, t } from './i18n.js';

const withMark = (text) => text.replace('.', t('number.decimal'));

function humanUnits(value, units) {
  let step = 0;
  while (value >= 999.5 && step < units.length - 1) {
    value /= 1000;
    step++;
  }
  return `${withMark(value.toFixed(step > 0 && value < 99.95 ? 1 : 0))} ${units[step]}`;
}

export const humanSize = (bytes) => humanUnits(bytes, t('units.size').split(' '));
export const humanRate = (bits) => humanUnits(bits, t('units.rate').split(' '));

/* "59,234,567"; beyond the last three digits, Hindi groups by two. */
export const grouped = (n) => String(n).replace(new RegExp(`\\B(?=(\\d{${t('number.group_size')}})*\\d{3}$)`, 'g'), t('number.group'));

export function humanDuration(seconds) {
  const s = Math.round(seconds);
  const two = (n) => String(n).padStart(2, '0');
  const minutes = Math.floor(s / 60);
  return minutes < 60 ? `${minutes}:${two(s % 60)}` : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(s % 60)}`;
}

/* "1:02:03", "62.5" → seconds; null when it is neither. */
export function secondsIn(text) {
  if (!/^(\d+:){0,2}\d+(\.\d{1,3})?$/.test(text))
    return null;
  return text.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
}

/* RFC 6381 names by their beginning, as people know them. */
const codecNames = [
  [/^(avc1|avc3)/, 'H.264'], [/^(hev1|hvc1)/, 'HEVC'], [/^(vp9|vp09)/, 'VP9'], [/^(vp8|vp08)/, 'VP8'],
  [/^av01/, 'AV1'], [/^mp4a\.(69|6b|40\.34)/i, 'MP3'], [/^mp4a/, 'AAC'], [/^opus/i, 'Opus'], [/^vorbis/, 'Vorbis'],
  [/^ac-3/, 'AC-3'], [/^ec-3/, 'E-AC-3'], [/^flac/i, 'FLAC'], [/^mp3/, 'MP3'],
];

export function humanCodecs(codecs) {
  const human = (codec) => codecNames.find(([pattern]) => pattern.test(codec))?.[1] ?? codec.split('.')[0];
  return codecs.split(',').map((codec) => human(codec.trim())).join(' + ');
}

export function humanLanguage(tag) {
  try {
    return new Intl.DisplayNames(language, { type: 'language' }).of(tag);
  } catch {
    return tag;
  }
}
