import { generate } from 'lean-qr';

/* A text as a picture for cameras. Dark on light also at night: cameras want it so. One path of 1×1 squares, and the four modules of silence around. */
export function qrPicture(text, label) {
  const code = generate(text);
  const quiet = 4;
  let path = '';
  for (let y = 0; y < code.size; y++) {
    for (let x = 0; x < code.size; x++) {
      if (code.get(x, y))
        path += `M${x + quiet} ${y + quiet}h1v1h-1z`;
    }
  }
  const make = (name, attributes, ...children) => {
    const node = document.createElementNS('http://www.w3.org/2000/svg', name);
    for (const [key, value] of Object.entries(attributes))
      node.setAttribute(key, value);
    node.append(...children);
    return node;
  };
  const side = code.size + 2 * quiet;
  return make('svg', { class: 'more-qr', viewBox: `0 0 ${side} ${side}`, role: 'img', 'aria-label': label, 'shape-rendering': 'crispEdges' },
    make('rect', { width: side, height: side, fill: '#fff' }), make('path', { d: path, fill: '#000' }));
}
