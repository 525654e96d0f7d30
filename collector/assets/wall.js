// wall.js - every link as a tile, by vendor; open incidents above; counts that filter.
import { t, named, word, gradeWord } from './text.js';
import { el, api, ms, percent, scaled, setText, setState, stateBadge, duration, ago, shortStamp,
	emptyState } from './ui.js';

const STATES = ['down', 'degraded', 'not-observed', 'planned', 'up'];
const OPEN = ['open', 'handling', 'recovered', 'review', 'hold'];
const SVG = 'http://www.w3.org/2000/svg';
const CURVE = 40;

// A small curve of medians; a step that lost all is a red tick at the bottom.
function drawCurve(svg, points)
{
	const known = points.filter((v) => v !== null && v >= 0), w = 200, h = 32;
	const low = Math.min(...known), high = Math.max(...known), dx = w / (CURVE - 1);
	// Room around the curve, so that the noise of a quiet link does not look like a storm.
	const room = Math.max(high - low, high * 0.25, 0.05), base = (low + high - room) / 2;
	const first = CURVE - points.length;
	let path = '', ticks = '', pen = false;

	points.forEach((v, i) => {
		const x = ((first + i) * dx).toFixed(1);

		if (v !== null && v >= 0) {
			path += (pen ? 'L' : 'M') + x + ' ' + (h - 3 - (v - base) / room * (h - 6)).toFixed(1);
			if (!pen)
				path += 'h0.01';
		} else if (v === -1) {
			ticks += 'M' + x + ' ' + h + 'v-12';
		}
		pen = v !== null && v >= 0;
	});
	svg.children[0].setAttribute('d', path || 'M0 0');
	svg.children[1].setAttribute('d', ticks || 'M0 0');
}

function curveNode()
{
	const svg = document.createElementNS(SVG, 'svg');

	svg.setAttribute('viewBox', '0 0 200 32');
	svg.setAttribute('preserveAspectRatio', 'none');
	svg.setAttribute('class', 'curve');
	svg.setAttribute('aria-hidden', 'true');
	for (const c of ['line', 'lost']) {
		const p = document.createElementNS(SVG, 'path');

		p.setAttribute('class', c);
		p.setAttribute('vector-effect', 'non-scaling-stroke');
		svg.append(p);
	}
	return svg;
}

// The two figures of a tile: [[value, label], [value, label]].
function figures(l)
{
	const v = l.values || {};

	if (l.probe !== 'snmp')
		return [[ms(l.rtt_ms), t('rtt')], [percent(l.loss), t('loss')]];
	if (v.in_bps !== undefined || v.out_bps !== undefined)
		return [[scaled(v.in_bps, 'b/s'), t('inbps')], [scaled(v.out_bps, 'b/s'), t('outbps')]];
	if (v.cpu_ratio !== undefined || v.mem_ratio !== undefined)
		return [[percent(v.cpu_ratio), t('cpu')], [percent(v.mem_ratio), t('mem')]];
	const objects = (l.objects || []).filter((o) => v[o.key] !== undefined);
	const figure = (o) => o ? [scaled(v[o.key], o.unit), o.name] : ['', ''];

	return [objects.length ? figure(objects[0]) : ['—', t('value')], figure(objects[1])];
}

function makeTile(l)
{
	const n = {
		name: el('span', { class: 'name' }), badge: stateBadge(l.state), where: el('span', { class: 'where' }),
		a: el('b'), al: el('small'), b: el('b'), bl: el('small'), curve: curveNode(),
		age: el('span', { class: 'age' }),
	};
	const tile = el('a', { class: 'tile', href: '/link/' + l.agent + '/' + l.link, 'data-key': l.agent + '/' + l.link },
		el('span', { class: 'line1' }, n.name, n.badge),
		el('span', { class: 'figures' }, el('span', {}, n.a, n.al), el('span', {}, n.b, n.bl)),
		n.curve, el('span', { class: 'line3' }, n.where, n.age));

	return { tile, n, link: l, curve: (l.curve || []).slice(-CURVE) };
}

function isStale(l, now)
{
	return l.at !== null && now - l.at > Math.max(15, 3 * l.step_ms / 1000 + 5);
}

// What the verdict rests on, unless it only repeats the state.
const causeOf = (l) => l.cause && l.cause !== 'none' && l.cause !== l.state ? l.cause : '';

function where(l)
{
	return [word(l.probe), l.target + (l.probe === 'tcp' ? ':' + l.port : ''),
		l.interface].filter(Boolean).join(' ');
}

function fillTile(x, now)
{
	const l = x.link, f = figures(l), stale = isStale(l, now);

	setText(x.n.name, named(l, 'name'));
	setState(x.n.badge, l.state);
	setText(x.n.a, f[0][0]);
	setText(x.n.al, f[0][1]);
	setText(x.n.b, f[1][0]);
	setText(x.n.bl, f[1][1]);
	setText(x.n.where, where(l));
	setText(x.n.age, l.at === null ? t('noSample') : stale ? t('stale') + ' ' + ago(now, l.at)
		: l.state && l.state !== 'up' ? [word(causeOf(l)), t('since', shortStamp(l.since))].filter(Boolean).join(' ') : '');
	x.tile.dataset.state = l.state || 'none';
	x.tile.dataset.stale = stale ? '1' : '0';
	x.n.b.dataset.level = l.probe !== 'snmp' && l.loss > 0 ? (l.loss >= 0.05 ? 'bad' : 'some') : '';
	if (l.probe !== 'snmp')
		drawCurve(x.n.curve, x.curve);
	x.tile.classList.toggle('curveless', l.probe === 'snmp');
}

export function incidentRow(i, now)
{
	const age = (i.recovered || i.closed || now) - i.first_fail;

	return el('a', { class: 'incident-row', href: '/incident/' + i.number, 'data-grade': i.grade,
		'data-istate': i.state },
		el('span', { class: 'grade' }, gradeWord(i.grade)),
		el('span', { class: 'what' }, named(i, 'title')),
		el('span', { class: 'istate' }, word(i.state)),
		el('span', { class: 'lasted' }, duration(age)),
		el('span', { class: 'who' }, i.handler || ''));
}

export const isOpen = (i) => OPEN.includes(i.state);

// Unacknowledged first, then by grade, then the older one.
export function byUrgency(a, b)
{
	return (a.state === 'open' ? 0 : 1) - (b.state === 'open' ? 0 : 1) || a.grade - b.grade
		|| a.first_fail - b.first_fail;
}

export function wallPage(main)
{
	const tiles = new Map(), incidents = new Map(), counts = {};
	const strip = el('section', { class: 'strip', 'aria-label': t('openIncidents') });
	const summary = el('section', { class: 'summary', 'aria-label': t('filter') });
	const wall = el('div', { class: 'wall', id: 'wall' });
	let filter = '', vendors = [], alertdUp = true, loaded = false;

	document.title = t('wall') + ' - ' + t('product');
	main.append(summary, strip, wall);
	for (const s of ['all', ...STATES, 'none']) {
		const n = el('b', {}, '0');
		const b = el('button', { class: 'tally', 'data-state': s, 'aria-pressed': 'false', onclick: () => {
			filter = filter === s || s === 'all' ? '' : s;
			showFilter();
		} }, n, el('span', {}, s === 'all' ? t('allLinks') : s === 'none' ? t('noVerdict') : word(s)));

		counts[s] = { b, n };
		summary.append(b);
	}

	function showFilter()
	{
		for (const s of Object.keys(counts))
			counts[s].b.setAttribute('aria-pressed', String(filter === s || (s === 'all' && !filter)));
		for (const x of tiles.values())
			x.tile.hidden = filter !== '' && x.tile.dataset.state !== filter;
		for (const s of wall.querySelectorAll('section'))
			s.hidden = !s.querySelector('.tile:not([hidden])');
	}

	function count()
	{
		const n = { all: tiles.size };

		for (const x of tiles.values())
			n[x.tile.dataset.state] = (n[x.tile.dataset.state] || 0) + 1;
		for (const s of Object.keys(counts)) {
			setText(counts[s].n, String(n[s] || 0));
			counts[s].b.dataset.zero = n[s] ? '0' : '1';
		}
		counts.none.b.hidden = !n.none;
		counts.planned.b.hidden = !n.planned;
		if (filter)
			showFilter();
	}

	function section(vendor, list)
	{
		const v = vendors.find((x) => x.id === vendor) || { name_zh: vendor, name_en: vendor };
		const grid = el('div', { class: 'tiles' });

		list.sort((a, b) => named(a, 'name').localeCompare(named(b, 'name'), document.documentElement.lang,
			{ numeric: true }));
		for (const l of list) {
			const x = makeTile(l);

			tiles.set(l.agent + '/' + l.link, x);
			grid.append(x.tile);
		}
		return el('section', { 'data-vendor': vendor },
			el('h2', {}, named(v, 'name') || vendor, el('small', {}, t('nLinks', list.length))), grid);
	}

	function build(data)
	{
		const by = new Map(), seen = data.links.filter((l) => l.at !== null).length;

		vendors = data.vendors;
		tiles.clear();
		for (const l of data.links)
			by.set(l.vendor, (by.get(l.vendor) || []).concat([l]));
		wall.replaceChildren(...[...by.keys()].sort().map((v) => section(v, by.get(v))));
		if (data.links.length === 0)
			wall.append(emptyState(t('emptyPlan'), t('emptyPlanHint')));
		else if (seen === 0)
			wall.prepend(emptyState(t('noSample'), t('noSampleHint', data.links.length)));
		for (const x of tiles.values())
			fillTile(x, data.now);
		loaded = true;
		count();
		showFilter();
	}

	function showIncidents()
	{
		const now = Date.now() / 1000;
		const open = [...incidents.values()].filter(isOpen).sort(byUrgency), shown = open.slice(0, 6);

		strip.hidden = !alertdUp || !loaded;
		strip.classList.toggle('calm', open.length === 0);
		strip.replaceChildren(el('h2', {}, open.length ? t('openIncidents') : t('noIncidents'),
			open.length ? el('small', {}, String(open.length)) : null),
			...shown.map((i) => incidentRow(i, now)));
		if (open.length > shown.length)
			strip.append(el('a', { class: 'more', href: '/incidents' }, '+' + (open.length - shown.length)));
	}

	async function reload()
	{
		try {
			const [links, list] = await Promise.all([api('links'), api('incidents')]);

			build(links);
			alertdUp = list.up;
			incidents.clear();
			list.incidents.forEach((i) => incidents.set(i.number, i));
			showIncidents();
		} catch (e) {
			if (!loaded)
				wall.replaceChildren(emptyState(t('loadFailed', e.message)));
		}
	}

	// Ages grow although nothing arrives.
	setInterval(() => {
		const now = Date.now() / 1000;

		for (const x of tiles.values())
			if (isStale(x.link, now))
				fillTile(x, now);
		showIncidents();
	}, 5000);

	return {
		reload,
		links(list) {
			const now = Date.now() / 1000;

			if (list.some((l) => !tiles.has(l.agent + '/' + l.link)) || wall.querySelector(':scope > .empty')) {
				reload();
				return;
			}
			for (const l of list) {
				const x = tiles.get(l.agent + '/' + l.link);

				if (l.at !== x.link.at)
					x.curve = x.curve.concat([l.sent > 0 && l.replies === 0 ? -1 : l.rtt_ms]).slice(-CURVE);
				x.link = Object.assign(x.link, l);
				fillTile(x, now);
			}
			count();
		},
		status(s) {
			if (alertdUp !== s.alertd.up)
				reload();
		},
		incident(i) {
			incidents.set(i.number, i);
			showIncidents();
		},
	};
}
