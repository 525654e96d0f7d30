// matrix.js - every agent against every target: one cell, both directions.
//
// A row is an agent, a column a target; a target that is itself an agent (links.yaml: reverse) has its agent's
// name, and the cell shows what either side measures.  Rows and columns are bounded: of a large plan the targets
// that one agent alone watches are counted in a column of their own, and the filter reaches what is left out.
import { t, named, word, vendorName, zoneName } from './text.js';
import { el, api, setText, emptyState, shapes, percent } from './ui.js';
import { rank, keyOf, collator, figures, STATES } from './wall.js';

const ROWS = 80, COLUMNS = 40;

const agentOf = (key) => key.split('/')[0];
const columnOf = (l) => l.reverse ? 'agent ' + agentOf(l.reverse) : l.target;
const worstOf = (list) => list.reduce((a, b) => rank(b) < rank(a) ? b : a);

// What one direction says in few signs: loss if there is some, else the first figure.
function brief(l)
{
	return l.at === null ? '' : l.probe !== 'snmp' && l.loss > 0 ? percent(l.loss) : figures(l)[0][0];
}

export function matrixPage(main)
{
	const filter = el('input', { type: 'search', id: 'matrix-filter', placeholder: t('matrixFilter'),
		'aria-label': t('matrixFilter'), oninput: () => show() });
	const vendor = el('select', { id: 'matrix-vendor', 'aria-label': t('vendor'), onchange: () => show() });
	const ill = el('button', { 'aria-pressed': 'false', onclick: (e) => {
		e.target.setAttribute('aria-pressed', String(e.target.getAttribute('aria-pressed') !== 'true'));
		show();
	} }, t('onlyIll'));
	const box = el('div', { class: 'card scroll matrix-box', tabindex: '0', role: 'region', 'aria-label': t('matrix') });
	const note = el('p', { class: 'muted', role: 'status' });
	const asked = new URLSearchParams(location.search);
	let links = new Map(), agents = new Map(), vendors = [], zones = [], ways = new Map(), wanted = asked.get('vendor') || '';

	document.title = t('matrix') + ' - ' + t('product');
	main.append(el('div', { class: 'page-head' }, el('h1', {}, t('matrix')), vendor, filter, ill,
		el('span', { class: 'muted' }, t('matrixHelp'))), box, note);

	filter.value = asked.get('q') || '';
	const agentName = (id) => agents.has(id) ? named(agents.get(id), 'name') : id;
	const columnName = (c) => c.startsWith('agent ') ? agentName(c.slice(6)) : c;

	// One direction: a link to the worst of what measures it.
	function way(sign, list, from, to)
	{
		const node = el('a', { class: 'way' }), row = { node, list, sign, from, to };

		for (const l of list)
			ways.set(keyOf(l), (ways.get(keyOf(l)) || []).concat([row]));
		fillWay(row);
		return node;
	}

	function fillWay(w)
	{
		const l = worstOf(w.list), state = l.state || 'none';

		w.node.href = '/link/' + keyOf(l);
		w.node.dataset.state = state;
		setText(w.node, w.sign + ' ' + shapes[state] + ' ' + brief(l) + (w.list.length > 1 ? ' ×' + w.list.length : ''));
		w.node.title = t('fromTo', w.from, w.to) + t('colon') + (l.state ? word(l.state) : t('noVerdict')) + ' · '
			+ w.list.map((x) => named(x, 'name')).join(t('comma'));
		w.node.setAttribute('aria-label', w.node.title + ' ' + brief(l));
	}

	function cell(list, row, column)
	{
		const target = columnName(column), back = list.map((l) => l.reverse && links.get(l.reverse)).filter(Boolean);

		if (list.length === 0)
			return el('td', { class: 'none' }, column === 'agent ' + row ? '—' : '');
		return el('td', {}, way('→', list, agentName(row), target),
			back.length ? way('←', back, target, agentName(row)) : null);
	}

	// How many of the links whose targets have no column are in which state.
	function restCell(list, agent)
	{
		const counts = STATES.map((s) => [s, list.filter((l) => (l.state || 'none') === s).length]).filter(([, n]) => n > 0);

		return el('td', {}, el('a', { class: 'rest', href: '/agent/' + agent }, ...counts.map(([s, n]) =>
			el('span', { 'data-state': s, title: s === 'none' ? t('noVerdict') : word(s) }, shapes[s] + ' ' + n))));
	}

	function show()
	{
		const words = filter.value.trim().toLowerCase();
		const list = [...links.values()].filter((l) => (!vendor.value || l.vendor === vendor.value)
			&& (ill.getAttribute('aria-pressed') !== 'true' || rank(l) < 3)
			&& (!words || [agentName(l.agent), l.agent, columnName(columnOf(l)), l.target, named(l, 'name'), l.zone, zoneName(zones, l.zone)]
				.some((s) => s.toLowerCase().includes(words))));
		const rows = new Map(), seen = new Map();

		for (const l of list) {
			const c = columnOf(l);

			if (!rows.has(l.agent))
				rows.set(l.agent, new Map());
			rows.get(l.agent).set(c, (rows.get(l.agent).get(c) || []).concat([l]));
			seen.set(c, (seen.get(c) || 0) + 1);
		}
		// Agents first, then what most agents look at.
		const columns = [...seen.keys()].sort((a, b) => b.startsWith('agent ') - a.startsWith('agent ')
			|| seen.get(b) - seen.get(a) || collator.compare(columnName(a), columnName(b)));
		const names = [...rows.keys()].sort((a, b) => collator.compare(agentName(a), agentName(b)));
		const isLarge = columns.length > COLUMNS, fit = (c) => !isLarge || c.startsWith('agent ') || seen.get(c) > 1;
		const wide = columns.filter(fit).slice(0, COLUMNS), high = names.slice(0, ROWS), left = columns.length - wide.length;
		const rest = isLarge ? (a) => [...rows.get(a)].filter(([c]) => !wide.includes(c)).flatMap(([, l]) => l) : null;

		ways = new Map();
		setText(note, left > 0 || names.length > high.length
			? t('matrixMore', high.length, names.length, wide.length, columns.length) : '');
		box.replaceChildren(list.length === 0 ? emptyState(links.size ? t('nothingFound') : t('emptyPlan'),
			links.size ? null : t('emptyPlanHint')) : el('table', { class: 'matrix' },
			el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, t('agentToTarget')),
				...wide.map((c) => el('th', { scope: 'col', title: columnName(c) }, c.startsWith('agent ')
					? el('a', { href: '/agent/' + c.slice(6) }, columnName(c)) : columnName(c))),
				rest ? el('th', { scope: 'col', title: t('otherHelp') }, t('otherTargets')) : null)),
			el('tbody', {}, ...high.map((a) => el('tr', {}, el('th', { scope: 'row' },
				el('a', { href: '/agent/' + a }, agentName(a)),
				el('small', {}, agents.has(a) ? vendorName(vendors, agents.get(a).vendor) : '')),
			...wide.map((c) => cell(rows.get(a).get(c) || [], a, c)), rest ? restCell(rest(a), a) : null)))));
	}

	async function reload()
	{
		try {
			const [data, list] = await Promise.all([api('links?curve=0'), api('agents')]);
			const chosen = wanted || vendor.value;

			wanted = '';
			links = new Map(data.links.map((l) => [keyOf(l), l]));
			agents = new Map(list.agents.map((a) => [a.agent, a]));
			vendors = data.vendors;
			zones = data.zones;
			vendor.replaceChildren(el('option', { value: '' }, t('allVendors')),
				...vendors.map((v) => el('option', { value: v.id, selected: v.id === chosen }, named(v, 'name'))));
			show();
		} catch (e) {
			box.replaceChildren(emptyState(t('loadFailed', e.message)));
		}
	}

	return {
		reload,
		links(list) {
			const touched = new Set();

			if (list.some((l) => !links.has(keyOf(l)))) {
				reload();
				return;
			}
			for (const l of list) {
				Object.assign(links.get(keyOf(l)), l);
				(ways.get(keyOf(l)) || []).forEach((w) => touched.add(w));
			}
			touched.forEach(fillWay);
		},
	};
}
