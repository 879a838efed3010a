// Makes www/docs/screenshot.png, the picture in README: the real page with a sample video of the stand-in.
//   SLUICE_BIN=build/cgi-bin node tests/browser/screenshot.mjs
import { execFileSync } from 'node:child_process';
import { rmSync, statSync } from 'node:fs';
import path from 'node:path';

import { root, startStack } from '../integration/harness.mjs';
import { launch, look, withPage } from './browser.mjs';

const target = path.join(root, 'www/docs/screenshot.png');
const raw = path.join(root, 'build/screens/raw.png');
const stack = await startStack();
const browser = await launch();
try {
  await withPage(browser, stack.base, { viewport: { width: 1080, height: 960 } }, async (page) => {
    await look(page, stack.base, 'https://www.youtube.com/watch?v=sluiceDemo1');
    await page.waitForSelector('.result-title');
    await page.locator('.thumb img').evaluate((img) => img.decode());
    await page.screenshot({ path: raw });
  });
} finally {
  await browser.close();
  await stack.stop();
}
// 255 colours are enough for it and make it a fraction of the size.
execFileSync('ffmpeg', ['-loglevel', 'error', '-y', '-i', raw, '-vf', 'split[a][b];[a]palettegen=max_colors=255[p];[b][p]paletteuse=dither=bayer:bayer_scale=4', target]);
rmSync(raw);
process.stdout.write(`${target}: ${statSync(target).size} bytes\n`);
