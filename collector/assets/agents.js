// agents.js - the agents and how well they are; the page of one.
import { t, named, vendorName, zoneName } from './text.js';
import { el, api, body, ago, ms, duration, stamp, emptyState, stateBadge } from './ui.js';
import { incidentRow, isOpen, byUrgency, rank, keyOf, where, figures as linkFigures } from './wall.js';

const CERT_DAYS = 30;			// a certificate that ends sooner stands out
const OFFSET_MS = 100;

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
const level = (a) => el('span', { class: 'level', 'data-level': health(a)[0] }, health(a)[1]);
const daysOf = (a) => a.cert_days === null || a.cert_days === undefined ? '—' : t('days', Math.floor(a.cert_days));
const certEnds = (a) => a.cert_days !== null && a.cert_days !== undefined && a.cert_days < CERT_DAYS;

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

// The kind of column i.
const kind = (i) => i === 4 ? 'version' : i === 11 ? 'error' : i > 4 ? 'num' : null;

// The list: one row an agent, the sick ones first.
function row(a, now, vendors, zones)
{
	const cells = [
		[level(a)],
		[el('a', { href: '/agent/' + a.agent }, named(a, 'name')), el('small', { class: 'muted id' }, a.agent)],
		[vendorName(vendors, a.vendor)], [zoneName(zones, a.zone)], [a.version || '—'], [ago(now, a.last_batch)],
		[String(a.links), a.refused_links ? el('small', { class: 'warn' }, ' ! ' + t('refused') + ' ' + a.refused_links) : null],
		[String(a.spool_batches)], [String(a.spool_dropped), a.spool_dropped > 0],
		[a.clock_offset_ms === null ? '—' : ms(a.clock_offset_ms), Math.abs(a.clock_offset_ms) > OFFSET_MS],
		[daysOf(a), certEnds(a)],
		[a.last_error || '—'],
	];

	return el('tr', { 'data-agent': a.agent }, ...cells.map(([c, extra], i) => el('td', {
		'data-warn': extra === true ? '1' : null, class: kind(i),
	}, extra === true ? '! ' : null, c, typeof extra === 'object' ? extra : null)));
}

const sickness = (a) => ({ bad: 0, none: 1, good: 2 })[health(a)[0]] * 2 + (certEnds(a) || a.spool_dropped > 0 ? 0 : 1);

export function agentsPage(main)
{
	const table = el('div', { class: 'card scroll' });
	const heads = ['state', 'agent', 'vendor', 'zone', 'version', 'lastBatch', 'nlinks', 'spool',
		'dropped', 'offset', 'cert', 'lastError'];

	document.title = t('agents') + ' - ' + t('product');
	main.append(el('div', { class: 'page-head' }, el('h1', {}, t('agents'))), table);

	async function reload()
	{
		try {
			const data = await api('agents');
			const focus = table.contains(document.activeElement) ? document.activeElement.getAttribute('href') : null;

			table.replaceChildren(data.agents.length === 0 ? emptyState(t('noAgents'), t('emptyPlanHint'))
				: el('table', { class: 'list' }, el('thead', {}, el('tr', {},
					...heads.map((h, i) => el('th', { scope: 'col', class: kind(i) }, t(h))))),
				el('tbody', {}, ...data.agents.sort((a, b) => sickness(a) - sickness(b))
					.map((a) => row(a, data.now, data.vendors, data.zones)))));
			if (focus)
				table.querySelector('[href="' + focus + '"]')?.focus();
		} catch (e) {
			table.replaceChildren(emptyState(t('loadFailed', e.message)));
		}
	}

	setInterval(() => { if (!document.hidden) reload(); }, 5000);
	return { reload };
}

// ---------------------------------------------------------------- one agent

const pair = (label, value, bad) => el('div', {}, el('dt', {}, label),
	el('dd', { 'data-warn': bad ? '1' : null }, (bad ? '! ' : '') + value));

function bigFacts(a, now)
{
	const late = now - a.last_batch > 15;

	return [
		pair(t('lastBatch'), ago(now, a.last_batch), a.last_batch > 0 && late),
		pair(t('clockOffset'), a.clock_offset_ms === null ? '—' : ms(a.clock_offset_ms), Math.abs(a.clock_offset_ms) > OFFSET_MS),
		pair(t('spool'), String(a.spool_batches)),
		pair(t('dropped'), String(a.spool_dropped), a.spool_dropped > 0),
		pair(t('cert'), daysOf(a), certEnds(a)),
		pair(t('nlinks'), a.links + (a.refused_links ? ' (' + t('refused') + ' ' + a.refused_links + ')' : ''), a.refused_links > 0),
	];
}

function linkRow(l)
{
	const f = linkFigures(l);
	// The columns are RTT and loss; what an SNMP link has instead is named with it.
	const figure = ([value, label]) => el('td', { class: 'num' }, value, l.probe === 'snmp' ? el('small', { class: 'muted' }, ' ' + label) : null);

	return el('tr', { 'data-state': l.state || 'none' }, el('td', {}, stateBadge(l.state)),
		el('td', { class: 't' }, el('a', { href: '/link/' + keyOf(l) }, named(l, 'name'))),
		el('td', {}, where(l)), el('td', {}, l.class), figure(f[0]), figure(f[1]));
}

export function agentPage(main)
{
	const head = el('div', { class: 'page-head' }), big = el('dl', { class: 'facts big' });
	const facts = el('dl', { class: 'facts' }), says = el('div', {}), list = el('div', { class: 'scroll' });
	const troubles = el('div', {});
	const card = (key, ...c) => el('section', { class: 'card' }, el('h2', {}, t(key)), ...c);

	document.title = body.a + ' - ' + t('product');
	main.append(head, el('section', { class: 'card' }, big), el('div', { class: 'columns' }, el('div', {}, card('linksOfAgent', list)),
		el('div', {}, card('agentIncidents', troubles), card('agentFacts', facts), card('health', says))));

	function fill(a, data, links, incidents)
	{
		head.replaceChildren(el('a', { href: '/agents', class: 'back' }, '← ' + t('agents')), el('h1', {}, named(a, 'name')),
			level(a), el('span', { class: 'muted' }, a.agent));
		document.title = named(a, 'name') + ' - ' + t('product');
		big.replaceChildren(...bigFacts(a, data.now));
		facts.replaceChildren(pair(t('vendor'), vendorName(data.vendors, a.vendor)), pair(t('zone'), zoneName(data.zones, a.zone) || '—'),
			pair(t('address'), a.address || '—'), pair(t('version'), a.version || '—'),
			pair(t('planRevision'), a.health ? a.health.plan_revision : '—'),
			pair(health(a)[1].slice(2), a.since > 0 ? t('since', stamp(a.since)) : '—'),
			pair(t('lastError'), a.last_error || t('noError'), !!a.last_error));
		says.replaceChildren(a.health ? figures(a.health) : el('p', { class: 'muted' }, t('noHealth')));
		links.sort((x, y) => rank(x) - rank(y));
		list.replaceChildren(links.length === 0 ? emptyState(t('emptyPlan'), t('emptyPlanHint')) : el('table', { class: 'list' },
			el('thead', {}, el('tr', {}, ...['state', 'title_link', 'target', 'klass', 'rtt', 'loss'].map((h, i) =>
				el('th', { scope: 'col', class: i > 3 ? 'num' : null }, t(h))))), el('tbody', {}, ...links.map(linkRow))));
		troubles.replaceChildren(...(incidents.length ? incidents.map((i) => incidentRow(i, data.now, null, data.zones))
			: [el('p', { class: 'muted' }, t('noIncidents'))]));
	}

	async function reload()
	{
		try {
			const [data, links, all] = await Promise.all([api('agents'), api('links?curve=0&agent=' + body.a), api('incidents')]);
			const a = data.agents.find((x) => x.agent === body.a);

			if (!a)
				throw new Error(t('noSuchAgent'));
			fill(a, data, links.links, all.incidents.filter((i) => isOpen(i) && (i.agent === body.a
				|| (i.links || []).some((l) => l.agent === body.a))).sort(byUrgency).slice(0, 10));
		} catch (e) {
			head.replaceChildren(el('h1', {}, body.a), emptyState(t('loadFailed', e.message)));
		}
	}

	setInterval(() => { if (!document.hidden) reload(); }, 5000);
	return { reload, incident: reload };
}
