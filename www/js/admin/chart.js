/* Charts in the colours of the page, with their numbers for those who do not see them. */
import { BarController, BarElement, CategoryScale, Chart, Legend, LinearScale, LineController, LineElement, PointElement, Tooltip } from 'chart.js';

import { el } from './parts.js';

Chart.register(BarController, BarElement, CategoryScale, Legend, LinearScale, LineController, LineElement, PointElement, Tooltip);

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/* series: [{ label, values, axis, kind }]; charts that are no longer shown are forgotten with their element. */
export function chart(label, names, series, format = (n) => n.toLocaleString('en')) {
  const canvas = el('canvas', { role: 'img', 'aria-label': `${label}: ${series.map((s) => `${s.label} ${format(s.values.reduce((a, b) => a + b, 0))} in all`).join(', ')}` });
  const box = el('div', { class: 'admin-chart' }, canvas);
  const colours = [colour('--accent'), colour('--warn'), colour('--ink-soft')];
  requestAnimationFrame(() => {
    if (!canvas.isConnected) return;
    Chart.defaults.color = colour('--ink-soft');
    Chart.defaults.borderColor = colour('--line');
    const made = new Chart(canvas, {
      type: 'bar',
      data: { labels: names, datasets: series.map((s, i) => ({ label: s.label, data: s.values, backgroundColor: colours[i], borderColor: colours[i], type: s.kind ?? 'bar', maxBarThickness: 24 })) },
      options: {
        animation: false,
        maintainAspectRatio: false,
        scales: { x: { stacked: true, grid: { display: false }, ticks: { maxRotation: 0, autoSkipPadding: 12 } }, y: { stacked: true, beginAtZero: true, ticks: { callback: format, maxTicksLimit: 6 } } },
        plugins: { tooltip: { callbacks: { label: (item) => `${item.dataset.label}: ${format(item.raw)}` } }, legend: { display: series.length > 1 } },
      },
    });
    new MutationObserver((_, observer) => {
      if (canvas.isConnected) return;
      made.destroy();
      observer.disconnect();
    }).observe(document.getElementById('main'), { childList: true, subtree: true });
  });
  return box;
}
