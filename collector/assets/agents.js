// agents.js - the agents and how well they are.
import { t, named, vendorName } from './text.js';
import { el, api, ago, ms, duration, emptyState } from './ui.js';

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

const mib = (n) => (n / 1048576).toFixed(1) + ' MiB';

// Which rows stand open; the table is made anew every few seconds.
const open = new Set();

// What the agent says of itself, one figure a line; those that tell of a fault stand out.
function figures(h)
{
	const rows = [
		['uptime', duration(h.uptime_s)], ['planRevision', h.plan_revision], ['samples', h.samples],
		['spooled', h.spool_batches + ' / ' + mib(h.spool_bytes) + ' / ' + mib(h.spool_limit)],
		['dropped', h.spool_dropped, h.spool_dropped], ['loopLag', ms(h.loop_lag_ms), h.loop_lag_ms > 100],
		['lateSends', h.late_sends, h.late_sends], ['starved', h.starved_steps, h.starved_steps],
		['socketDrops', h.socket_drops, h.socket_drops], ['foreign', h.foreign_replies, h.foreign_replies],
		['duplicates', h.duplicate_replies], ['lateReplies', h.late_replies],
		['heldByCap', h.held_back.cap, h.held_back.cap],
		['heldByList', h.held_back.allow_list, h.held_back.allow_list],
		['namesFailing', h.names_failing, h.names_failing], ['resolverFailures', h.resolver_failures],
		['refusedBatches', h.refused_batches, h.refused_batches],
		['clockJumps', h.clock_jumps, h.clock_jumps], ['pingMode', t('ping_' + h.ping_mode), h.ping_mode === 'none'],
		['memory', mib(h.memory_bytes)],
	];

	return el('dl', { class: 'figures' }, ...rows.map(([key, value, bad]) => el('div', {},
		el('dt', {}, t(key)), el('dd', { 'data-warn': bad ? '1' : null }, (bad ? '! ' : '') + value))));
}

function title(a)
{
	const name = [named(a, 'name'), el('small', { class: 'muted' }, ' ' + a.agent)];

	if (!a.health)
		return el('span', {}, ...name);
	return el('details', { open: open.has(a.agent), ontoggle: (e) => open[e.target.open ? 'add' : 'delete'](a.agent) },
		el('summary', {}, ...name), figures(a.health));
}

function row(a, now, vendors)
{
	const [level, word] = health(a);
	const days = a.cert_days === null || a.cert_days === undefined ? '—' : t('days', Math.floor(a.cert_days));
	const cells = [
		el('span', { class: 'level', 'data-level': level }, word),
		title(a),
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
