// wall.js - who is ill, first: incidents nobody has taken, then every link by vendor and zone, worst first.
//
// Few links stand as tiles with figures and curve.  Many (more than TILES_ALL) stand as one small cell each, and
// the worst of them once more as tiles above, so that what the browser has to lay out stays bounded at thousands.
import { t, named, word, gradeWord, located, vendorName, zoneName } from './text.js';
import { el, api, ms, percent, scaled, setText, setState, stateBadge, duration, ago, shortStamp,
	emptyState, shapes } from './ui.js';

export const STATES = ['down', 'degraded', 'not-observed', 'none', 'planned', 'up'];	// worst first
const OPEN = ['open', 'handling', 'recovered', 'review', 'hold'];
const SVG = 'http://www.w3.org/2000/svg';
const CURVE = 40;
const TILES_ALL = 60;			// up to so many links are all tiles
const TILES_WORST = 12;			// of more, so many stand above
const NAMED_ALL = 400;			// up to so many cells carry their names
const INCIDENTS = 6;

export const rank = (l) => STATES.indexOf(l.state || 'none');
export const keyOf = (l) => l.agent + '/' + l.link;
export const collator = new Intl.Collator(document.documentElement.lang, { numeric: true });

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

// The two figures of a link: [[value, label], [value, label]].
export function figures(l)
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
	const tile = el('a', { class: 'tile', href: '/link/' + keyOf(l), 'data-key': keyOf(l) },
		el('span', { class: 'line1' }, n.name, n.badge),
		el('span', { class: 'figures' }, el('span', {}, n.a, n.al), el('span', {}, n.b, n.bl)),
		n.curve, el('span', { class: 'line3' }, n.where, n.age));

	return { tile, n };
}

export function isStale(l, now)
{
	return l.at !== null && now - l.at > Math.max(15, 3 * l.step_ms / 1000 + 5);
}

// What the verdict rests on, unless it only repeats the state.
const causeOf = (l) => l.cause && l.cause !== 'none' && l.cause !== l.state ? l.cause : '';

export function where(l)
{
	return [word(l.probe), l.target + (l.probe === 'tcp' ? ':' + l.port : ''),
		l.interface].filter(Boolean).join(' ');
}

// owner: whose it is, where the tile does not stand among his.
function fillTile(x, now, owner)
{
	const l = x.link, n = x.n, f = figures(l), stale = isStale(l, now);

	setText(n.name, named(l, 'name'));
	setState(n.badge, l.state);
	setText(n.a, f[0][0]);
	setText(n.al, f[0][1]);
	setText(n.b, f[1][0]);
	setText(n.bl, f[1][1]);
	setText(n.where, [owner, where(l)].filter(Boolean).join(' · '));
	setText(n.age, l.at === null ? t('noSample') : stale ? t('stale') + ' ' + ago(now, l.at)
		: l.state && l.state !== 'up' ? [word(causeOf(l)), t('since', shortStamp(l.since))].filter(Boolean).join(' ') : '');
	x.tile.dataset.state = l.state || 'none';
	x.tile.dataset.stale = stale ? '1' : '0';
	n.b.dataset.level = l.probe !== 'snmp' && l.loss > 0 ? (l.loss >= 0.05 ? 'bad' : 'some') : '';
	if (l.probe !== 'snmp')
		drawCurve(n.curve, x.curve);
	x.tile.classList.toggle('curveless', l.probe === 'snmp');
}

// A link as one shape, with its name where there is room.
function fillCell(x, isNamed, now)
{
	const l = x.link, state = l.state || 'none', stale = isStale(l, now) ? '1' : '0';

	if (!x.cell)
		x.cell = el('a', { class: 'cell', href: '/link/' + keyOf(l), 'data-key': keyOf(l) });
	if (x.cell.dataset.state === state && x.cell.dataset.stale === stale)
		return;
	x.cell.dataset.state = state;
	x.cell.dataset.stale = stale;
	const says = named(l, 'name') + ' ' + (l.state ? word(l.state) : t('noVerdict')) + (stale === '1' ? ' ' + t('stale') : '');

	x.cell.title = says;
	x.cell.setAttribute('aria-label', says);
	x.cell.textContent = shapes[state] + (isNamed ? ' ' + named(l, 'name') : '');
}

const place = (i, zones) => located(i.located) || (i.segment === 'none' ? '' : word(i.segment)) || zoneName(zones, i.zone) || '';

export function incidentRow(i, now, vendors, zones)
{
	const age = (i.recovered || i.closed || now) - i.first_fail;

	return el('a', { class: 'incident-row', href: '/incident/' + i.number, 'data-grade': i.grade,
		'data-istate': i.state },
		el('span', { class: 'grade' }, gradeWord(i.grade)),
		el('span', { class: 'what' }, named(i, 'title')),
		el('span', { class: 'place' }, place(i, zones)),
		el('span', { class: 'who' }, [vendors ? vendorName(vendors, i.vendor) : '', i.handler].filter(Boolean).join(' · ')),
		el('span', { class: 'istate' }, word(i.state)),
		el('span', { class: 'lasted' }, duration(age)));
}

export const isOpen = (i) => OPEN.includes(i.state);

// Unacknowledged first, then by grade, then the older one.
export function byUrgency(a, b)
{
	return (a.state === 'open' ? 0 : 1) - (b.state === 'open' ? 0 : 1) || a.grade - b.grade
		|| a.first_fail - b.first_fail;
}

// "✖ 3 ▲ 2  120 links": what is not well of a group of links, and how many they are.
function tallyOf(list, total)
{
	const n = new Array(STATES.length).fill(0);

	for (const x of list)
		n[rank(x.link)]++;
	return el('small', { class: 'tally-of' }, ...STATES.slice(0, 3).map((s, i) => n[i] > 0
		? el('span', { 'data-state': s, title: word(s) }, shapes[s] + ' ' + n[i]) : null),
	total ? el('span', {}, t('nLinks', list.length)) : null);
}

const worse = (a, b) => rank(a.link) - rank(b.link) || a.link.class.localeCompare(b.link.class) || a.order - b.order;
const worst = (list) => Math.min(...list.map((x) => rank(x.link)));
const badness = (list) => list.reduce((n, x) => n + (rank(x.link) < 3 ? 1 : 0), 0);

export function wallPage(main)
{
	const links = new Map(), incidents = new Map(), counts = {};
	const strip = el('section', { class: 'strip', 'aria-label': t('openIncidents') });
	const summary = el('section', { class: 'summary', 'aria-label': t('filter') });
	const wall = el('div', { class: 'wall', id: 'wall' }), ill = el('div', { class: 'tiles' });
	const top = el('section', { class: 'worst', hidden: true }, el('h2', {}, t('worstLinks')), ill);
	let groups = [], filter = '', vendors = [], zones = [], alertdUp = true, loaded = false, stripShown = '';

	document.title = t('wall') + ' - ' + t('product');
	main.append(summary, strip, top, wall);
	for (const s of ['all', ...STATES]) {
		const n = el('b', {}, '0');
		const b = el('button', { class: 'tally', 'data-state': s, 'aria-pressed': 'false', onclick: () => {
			filter = filter === s || s === 'all' ? '' : s;
			showFilter();
		} }, n, el('span', {}, s === 'all' ? t('allLinks') : shapes[s] + ' ' + (s === 'none' ? t('noVerdict') : word(s))));

		counts[s] = { b, n };
		summary.append(b);
	}

	// What does not match is hidden by one attribute and the style sheet; groups without a match go altogether.
	function showFilter()
	{
		for (const s of Object.keys(counts))
			counts[s].b.setAttribute('aria-pressed', String(filter === s || (s === 'all' && !filter)));
		wall.dataset.filter = filter;
		for (const g of groups) {
			for (const z of g.zones)
				z.node.hidden = filter !== '' && !z.list.some((x) => (x.link.state || 'none') === filter);
			g.node.hidden = g.zones.every((z) => z.node.hidden);
		}
	}

	function count()
	{
		const n = { all: links.size };

		for (const x of links.values())
			n[x.link.state || 'none'] = (n[x.link.state || 'none'] || 0) + 1;
		for (const s of Object.keys(counts)) {
			setText(counts[s].n, String(n[s] || 0));
			counts[s].b.dataset.zero = n[s] ? '0' : '1';
		}
		counts.none.b.hidden = !n.none;
		counts.planned.b.hidden = !n.planned;
	}

	const isDense = () => links.size > TILES_ALL;
	const owner = (l) => isDense() ? [vendorName(vendors, l.vendor), zoneName(zones, l.zone)].filter(Boolean).join(' ') : '';
	const refill = (x, now) => fillTile(x, now, owner(x.link));

	// Puts nodes into a box, unless they stand there in this order; who has the focus keeps it.
	function put(box, nodes)
	{
		const focus = box.contains(document.activeElement) ? document.activeElement : null;

		if (nodes.length === box.children.length && nodes.every((n, i) => box.children[i] === n))
			return;
		box.replaceChildren(...nodes);
		if (focus && focus.isConnected)
			focus.focus();
	}

	function tileOf(x, now)
	{
		if (!x.tile)
			Object.assign(x, makeTile(x.link));
		refill(x, now);
		return x.tile;
	}

	function fillZone(z, alone, now)
	{
		const list = z.list.slice().sort(worse), isNamed = links.size <= NAMED_ALL;

		z.head.replaceChildren(el('span', { class: 'zone-name' }, zoneName(zones, z.zone) || t('noZone')), alone ? '' : tallyOf(z.list, !isDense() || isNamed));
		if (isDense())
			list.forEach((x) => fillCell(x, isNamed, now));
		else
			z.node.style.setProperty('--share', list.length);
		put(z.box, list.map((x) => isDense() ? x.cell : tileOf(x, now)));
	}

	// Of many links the worst, as tiles.
	function fillTop(now)
	{
		const list = !isDense() ? [] : [...links.values()].filter((x) => rank(x.link) < 2).sort(worse).slice(0, TILES_WORST);

		for (const x of isDense() ? links.values() : [])
			if (x.tile && !list.includes(x))
				x.tile = x.n = undefined;
		put(ill, list.map((x) => tileOf(x, now)));
		top.hidden = list.length === 0;
	}

	// Groups and what is in them, worst first; only what has changed is touched.
	function layout()
	{
		const now = Date.now() / 1000;
		const byIllness = (a, b) => worst(a.list) - worst(b.list) || badness(b.list) - badness(a.list) || a.order - b.order;

		for (const g of groups) {
			for (const z of g.zones)
				fillZone(z, g.zones.length === 1, now);
			g.tally.replaceChildren(...tallyOf(g.list, true).children);
			put(g.box, g.zones.sort(byIllness).map((z) => z.node));
		}
		put(wall, groups.sort(byIllness).map((g) => g.node));
		fillTop(now);
		count();
		showFilter();
	}

	function makeZone(zone, list, order)
	{
		const z = { zone, list, order, head: el('h3', {}), box: el('div', { class: isDense() ? 'cells' : 'tiles' }) };

		z.node = el('div', { class: 'zone', 'data-zone': zone }, z.head, z.box);
		return z;
	}

	function makeGroup(vendor, list, order)
	{
		const by = Map.groupBy ? Map.groupBy(list, (x) => x.link.zone) : list.reduce((m, x) =>
			m.set(x.link.zone, (m.get(x.link.zone) || []).concat([x])), new Map());
		const g = { list, order, tally: el('small', { class: 'tally-of' }), box: el('div', { class: 'zones' }) };

		g.zones = [...by.keys()].sort(collator.compare).map((z, i) => makeZone(z, by.get(z), i));
		g.node = el('section', { 'data-vendor': vendor },
			el('h2', {}, vendorName(vendors, vendor), g.tally), g.box);
		return g;
	}

	function build(data)
	{
		const by = new Map(), sorted = data.links.map((l) => [named(l, 'name'), l])
			.sort((a, b) => collator.compare(a[0], b[0]));

		vendors = data.vendors;
		zones = data.zones;
		links.clear();
		sorted.forEach(([, l], order) => {
			const x = { link: l, order, curve: (l.curve || []).slice(-CURVE) };

			links.set(keyOf(l), x);
			if (!by.has(l.vendor))
				by.set(l.vendor, []);
			by.get(l.vendor).push(x);
		});
		groups = [...by.keys()].map((v) => [vendorName(vendors, v), v]).sort((a, b) => collator.compare(a[0], b[0]))
			.map(([, v], i) => makeGroup(v, by.get(v), i));
		wall.replaceChildren();
		wall.classList.toggle('dense', isDense());
		wall.classList.toggle('tiny', links.size > NAMED_ALL);
		loaded = true;
		layout();
		performance.mark('wall');		/* the bench looks for it */
		if (data.links.length === 0)
			wall.append(emptyState(t('emptyPlan'), t('emptyPlanHint')));
		else if (data.links.every((l) => l.at === null))
			wall.prepend(emptyState(t('noSample'), t('noSampleHint', data.links.length)));
	}

	function showIncidents()
	{
		const now = Date.now() / 1000;
		const open = [...incidents.values()].filter(isOpen).sort(byUrgency), shown = open.slice(0, INCIDENTS);
		const rows = shown.map((i) => incidentRow(i, now, vendors, zones)), text = rows.map((r) => r.outerHTML).join('') + open.length;

		strip.hidden = !alertdUp || !loaded;
		if (text === stripShown || strip.contains(document.activeElement))
			return;
		stripShown = text;
		strip.classList.toggle('calm', open.length === 0);
		strip.replaceChildren(el('h2', {}, open.length ? t('openIncidents') : t('noIncidents'),
			open.length ? el('small', {}, t('notTaken', open.filter((i) => i.state === 'open').length, open.length)) : null),
		...rows);
		if (open.length > shown.length)
			strip.append(el('a', { class: 'more', href: '/incidents' }, t('moreIncidents', open.length - shown.length)));
	}

	async function reload()
	{
		try {
			const [data, list] = await Promise.all([api('links'), api('incidents')]);

			build(data);
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

		for (const x of links.values())
			if (isStale(x.link, now)) {
				if (x.tile)
					refill(x, now);
				if (x.cell)
					fillCell(x, links.size <= NAMED_ALL, now);
			}
		showIncidents();
	}, 5000);

	return {
		reload,
		links(list) {
			const now = Date.now() / 1000;
			let turned = false;

			if (list.some((l) => !links.has(keyOf(l))) || wall.querySelector(':scope > .empty')) {
				reload();
				return;
			}
			for (const l of list) {
				const x = links.get(keyOf(l));

				if (l.at !== x.link.at)
					x.curve = x.curve.concat([l.sent > 0 && l.replies === 0 ? -1 : l.rtt_ms]).slice(-CURVE);
				turned = turned || l.state !== x.link.state;
				Object.assign(x.link, l);
				if (x.tile)
					refill(x, now);
				if (x.cell && !turned)
					fillCell(x, links.size <= NAMED_ALL, now);
			}
			if (turned)
				layout();
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
