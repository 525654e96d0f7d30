// agents.js - the agents and how well they are.
import { t, named, vendorName } from './text.js';
import { el, api, ago, ms, emptyState } from './ui.js';

function health(a)
{
	if (a.silent === true)
		return ['bad', '✖ ' + t('silent')];
	if (a.connected === true)
		return ['good', '● ' + t('connected')];
	if (a.connected === false)
		return ['bad', '✖ ' + t('disconnected')];
	return ['none', '◌ ' + t('unknown')];
}

function row(a, now, vendors)
{
	const [level, word] = health(a);
	const days = a.cert_days === null || a.cert_days === undefined ? '—' : t('days', Math.floor(a.cert_days));
	const cells = [
		el('span', { class: 'level', 'data-level': level }, word),
		el('span', {}, named(a, 'name'), el('small', { class: 'muted' }, ' ' + a.agent)),
		vendorName(vendors, a.vendor), a.zone, a.address || '—', a.version || '—', ago(now, a.last_batch),
		a.links + (a.refused_links ? '（' + t('refused') + ' ' + a.refused_links + '）' : ''),
		String(a.spool_batches), String(a.spool_dropped),
		a.clock_offset_ms === null ? '—' : ms(a.clock_offset_ms), days,
	];

	return el('tr', {}, ...cells.map((c, i) => el('td', { 'data-warn':
		(i === 9 && a.spool_dropped > 0) || (i === 11 && a.cert_days !== null && a.cert_days < 30) ? '1' : null }, c)));
}

export function agentsPage(main)
{
	const table = el('div', { class: 'card scroll' });
	const heads = ['state', 'agent', 'vendor', 'zone', 'address', 'version', 'lastBatch', 'nlinks', 'spool',
		'dropped', 'offset', 'cert'];

	document.title = t('agents') + ' - ' + t('product');
	main.append(el('div', { class: 'page-head' }, el('h1', {}, t('agents'))), table);

	async function reload()
	{
		try {
			const data = await api('agents');

			table.replaceChildren(data.agents.length === 0 ? emptyState(t('noAgents'), t('emptyPlanHint'))
				: el('table', { class: 'list' }, el('thead', {}, el('tr', {},
					...heads.map((h) => el('th', { scope: 'col' }, t(h))))),
				el('tbody', {}, ...data.agents.map((a) => row(a, data.now, data.vendors)))));
		} catch (e) {
			table.replaceChildren(emptyState(t('loadFailed', e.message)));
		}
	}

	setInterval(() => { if (!document.hidden) reload(); }, 5000);
	return { reload };
}
