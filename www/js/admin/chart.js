/* Charts in the colours of the page, with their numbers for those who do not see them. */
import { BarController, BarElement, CategoryScale, Chart, Legend, LinearScale, Tooltip } from 'chart.js';

import { el } from './parts.js';

Chart.register(BarController, BarElement, CategoryScale, Legend, LinearScale, Tooltip);

const colourOf = (name) => getComputedStyle(document.getElementById('main')).getPropertyValue(name).trim();

/* series: [{ label, values, colour }]; charts that are no longer shown are forgotten with their element. */
export function chart(label, names, series, format = (n) => n.toLocaleString('en')) {
  const canvas = el('canvas', { role: 'img', 'aria-label': `${label}: ${series.map((s) => `${s.label} ${format(s.values.reduce((a, b) => a + b, 0))} in all`).join(', ')}` });
  const box = el('div', { class: 'admin-chart' }, canvas);
  requestAnimationFrame(() => {
    if (!canvas.isConnected) return;
    Chart.defaults.color = colourOf('--ink-soft');
    Chart.defaults.borderColor = colourOf('--line');
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    const made = new Chart(canvas, {
      type: 'bar',
      data: { labels: names, datasets: series.map((s) => ({ label: s.label, data: s.values, backgroundColor: colourOf(s.colour ?? '--accent'), maxBarThickness: 24, borderRadius: 2 })) },
      options: {
        animation: false,
        maintainAspectRatio: false,
        interaction: { mode: 'index', intersect: false },
        scales: { x: { stacked: true, grid: { display: false }, ticks: { maxRotation: 0, autoSkipPadding: 16 } }, y: { stacked: true, beginAtZero: true, ticks: { callback: format, maxTicksLimit: 6, precision: 0 } } },
        plugins: { tooltip: { callbacks: { label: (item) => `${item.dataset.label}: ${format(item.raw)}` } }, legend: { display: series.length > 1, position: 'bottom', labels: { boxWidth: 12, boxHeight: 12 } } },
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
