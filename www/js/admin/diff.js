/* What differs between two texts, line by line. */

/* The longest common subsequence of lines, as [kind, line] with ' ', '-' and '+'. What both begin and end with is left out of
 * the table, which has a cell for each pair of lines. */
export function diff(before, after) {
  const [old, fresh] = [before.split('\n'), after.split('\n')];
  let head = 0;
  while (head < old.length && head < fresh.length && old[head] === fresh[head])
    head++;
  let tail = 0;
  while (tail < old.length - head && tail < fresh.length - head && old.at(-1 - tail) === fresh.at(-1 - tail))
    tail++;
  const [a, b] = [old.slice(head, old.length - tail), fresh.slice(head, fresh.length - tail)];
  const longest = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--)
    for (let k = b.length - 1; k >= 0; k--)
      longest[i][k] = a[i] === b[k] ? longest[i + 1][k + 1] + 1 : Math.max(longest[i + 1][k], longest[i][k + 1]);
  const rows = old.slice(0, head).map((line) => [' ', line]);
  let i = 0;
  let k = 0;
  while (i < a.length || k < b.length) {
    if (i < a.length && k < b.length && a[i] === b[k]) {
      rows.push([' ', a[i++]]);
      k++;
    } else if (i < a.length && (k === b.length || longest[i + 1][k] >= longest[i][k + 1])) {
      rows.push(['-', a[i++]]);
    } else {
      rows.push(['+', b[k++]]);
    }
  }
  return [...rows, ...old.slice(old.length - tail).map((line) => [' ', line])];
}

/* Only what differs, with so many lines around; null stands for what is left out. */
export function around(rows, lines = 3) {
  const shown = rows.map(() => false);
  rows.forEach(([kind], i) => {
    if (kind !== ' ') shown.fill(true, Math.max(0, i - lines), i + lines + 1);
  });
  return rows.flatMap((row, i) => (shown[i] ? [row] : i === 0 || shown[i - 1] ? [null] : []));
}
