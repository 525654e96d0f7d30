// link.js - one link: figures, graphs with zoom, its incidents, why it is in its state.
import { t, named, word, isEnglish, vendorName } from './text.js';
import { el, api, body, ms, percent, scaled, stamp, dayStamp, ago, setText, setState, stateBadge,
	duration, isDark, toLogin, emptyState } from './ui.js';
import { incidentRow } from './wall.js';

const SPANS = [['1h', 3600], ['1d', 86400], ['1w', 7 * 86400], ['1m', 31 * 86400], ['1y', 366 * 86400]];
const SPAN_MIN = 60, SPAN_MAX = 5 * 366 * 86400;
const HEIGHTS = { rtt: 260, traffic: 220, loss: 110, pdv: 110, status: 50, tls: 110, cert: 110 };

// The time that all graphs show.  to === null: up to now.
class View {
	constructor(changed)
	{
		const q = new URLSearchParams(location.search);
		const from = Number(q.get('from')), to = Number(q.get('to')), span = Number(q.get('span'));

		this.changed = changed;
		this.span = SPANS[0][1];
		this.to = null;
		if (from > 0 && to - from >= SPAN_MIN) {
			this.span = to - from;
			this.to = to;
		} else if (span >= SPAN_MIN && span <= SPAN_MAX) {
			this.span = span;
		}
	}
	now() { return Math.floor(Date.now() / 1000); }
	end() { return this.to === null ? this.now() : this.to; }
	begin() { return this.end() - this.span; }
	set(span, to)
	{
		this.span = Math.round(Math.min(SPAN_MAX, Math.max(SPAN_MIN, span)));
		this.to = to === null || to >= this.now() ? null : Math.round(to);
		const q = this.to === null ? 'span=' + this.span : 'from=' + this.begin() + '&to=' + this.to;

		history.replaceState(null, '', location.pathname + '?' + q);
		this.changed();
	}
	preset(i) { this.set(SPANS[i][1], null); }
	zoom(factor)
	{
		const middle = this.to === null && factor < 1 ? this.end() : this.end() - this.span / 2;
		const span = this.span * factor;

		this.set(span, this.to === null && factor < 1 ? null : middle + span / 2);
	}
	move(share) { this.set(this.span, this.end() + this.span * share); }
	between(a, b) { this.set(Math.max(SPAN_MIN, b - a), Math.max(a + SPAN_MIN, b)); }
}

class Graph {
	constructor(view, kind, title)
	{
		this.view = view;
		this.kind = kind;
		this.url = null;
		this.canvas = null;		// where time lies in the image, in shares of its width
		this.img = el('img', { alt: '', draggable: 'false', 'data-kind': kind });
		this.note = el('p', { class: 'graph-note muted' }, t('drawing'));
		this.mark = el('div', { class: 'selection', hidden: true });
		this.plot = el('div', { class: 'plot' }, this.img, this.mark, this.note);
		this.node = el('figure', { class: 'card graph' }, el('figcaption', {}, title), this.plot);
		this.img.hidden = true;
		this.listen();
	}
	async load(name)
	{
		const from = this.view.begin(), to = this.view.end();
		const scale = Math.min(3, Math.max(1, devicePixelRatio || 1));
		const width = Math.max(160, Math.min(2000, Math.floor(this.plot.clientWidth - 96)));
		const q = new URLSearchParams({ kind: this.kind, from, to, w: width,
			h: innerHeight < 500 ? 140 : HEIGHTS[this.kind] || 160, scale: Math.round(scale * 100),
			theme: isDark() ? 'dark' : 'light', lang: isEnglish ? 'en' : 'zh' });
		const ticket = this.ticket = {};
		let r;

		try {
			r = await fetch('/graph/' + body.a + '/' + body.b + '?' + q);
			if (r.status === 401) {
				toLogin();
				return;
			}
			if (!r.ok) {
				const e = (await r.json()).error;

				throw new Error(isEnglish ? e.en : e.zh);
			}
			const blob = await r.blob();

			if (ticket === this.ticket)
				await this.show(r.headers, blob, scale, t('graphOf', named(name, 'name'),
					t('graph_' + this.kind), stamp(from), stamp(to)));
		} catch (e) {
			if (ticket === this.ticket) {
				setText(this.note, e.message);
				this.note.hidden = false;
				this.img.hidden = true;
			}
		}
	}
	async show(headers, blob, scale, alt)
	{
		const old = this.url, get = (k) => Number(headers.get('X-Graph-' + k));

		this.url = URL.createObjectURL(blob);
		this.img.src = this.url;
		this.img.alt = alt;
		await this.img.decode();
		this.img.width = Math.round(this.img.naturalWidth / scale);
		this.img.hidden = false;
		this.note.hidden = true;
		this.canvas = { from: get('From'), to: get('To'), left: get('Left') / this.img.naturalWidth,
			width: get('Width') / this.img.naturalWidth };
		this.img.dataset.from = this.canvas.from;
		this.img.dataset.to = this.canvas.to;
		if (old)
			URL.revokeObjectURL(old);
	}
	// The time under a pointer.
	timeAt(e)
	{
		const box = this.img.getBoundingClientRect(), c = this.canvas;
		const share = ((e.clientX - box.left) / box.width - c.left) / c.width;

		return c.from + Math.min(1, Math.max(0, share)) * (c.to - c.from);
	}
	listen()
	{
		let start = null;
		const place = (e) => {
			const box = this.plot.getBoundingClientRect(), a = start.x - box.left, b = e.clientX - box.left;

			this.mark.hidden = Math.abs(b - a) < 4;
			this.mark.style.left = Math.min(a, b) + 'px';
			this.mark.style.width = Math.abs(b - a) + 'px';
		};

		this.plot.addEventListener('pointerdown', (e) => {
			if (e.button !== 0 || !this.canvas)
				return;
			start = { x: e.clientX, time: this.timeAt(e) };
			this.plot.setPointerCapture(e.pointerId);
		});
		this.plot.addEventListener('pointermove', (e) => { if (start) place(e); });
		this.plot.addEventListener('pointerup', (e) => {
			const s = start;

			start = null;
			this.mark.hidden = true;
			if (s && Math.abs(e.clientX - s.x) >= 8) {
				const end = this.timeAt(e);

				this.view.between(Math.min(s.time, end), Math.max(s.time, end));
			}
		});
		this.plot.addEventListener('pointercancel', () => { start = null; this.mark.hidden = true; });
	}
}

function toolbar(view)
{
	const presets = SPANS.map(([key], i) => el('button', { 'data-span': key, onclick: () => view.preset(i) },
		t('span' + key)));
	const range = el('span', { class: 'range', 'aria-live': 'polite' });
	const button = (id, sign, label, f) => el('button', { id, title: label, 'aria-label': label, onclick: f }, sign);
	const now = el('button', { id: 'to-now', onclick: () => view.set(view.span, null) }, t('toNow'));

	return {
		node: el('div', { class: 'toolbar', role: 'toolbar' },
			el('span', { class: 'group' }, ...presets),
			el('span', { class: 'group' },
				button('zoom-in', '+', t('zoomIn'), () => view.zoom(0.5)),
				button('zoom-out', '−', t('zoomOut'), () => view.zoom(2)),
				button('earlier', '←', t('earlier'), () => view.move(-0.5)),
				button('later', '→', t('later'), () => view.move(0.5)), now), range),
		show() {
			presets.forEach((b, i) => b.setAttribute('aria-pressed',
				String(view.to === null && view.span === SPANS[i][1])));
			now.hidden = view.to === null;
			setText(range, stamp(view.begin()).slice(0, 16) + ' – ' + stamp(view.end()).slice(0, 16)
				+ '（' + duration(view.span) + '）');
		},
	};
}

function keys(view)
{
	const moves = { '+': () => view.zoom(0.5), '=': () => view.zoom(0.5), '-': () => view.zoom(2),
		ArrowLeft: () => view.move(-0.5), ArrowRight: () => view.move(0.5), Escape: () => view.preset(0) };

	SPANS.forEach((s, i) => { moves[String(i + 1)] = () => view.preset(i); });
	addEventListener('keydown', (e) => {
		const typing = e.target.closest && e.target.closest('input, textarea, select');

		if (typing || e.ctrlKey || e.metaKey || e.altKey || !moves[e.key])
			return;
		e.preventDefault();
		moves[e.key]();
	});
}

const pair = (label, value) => el('div', {}, el('dt', {}, label), el('dd', {}, value));

function figuresOf(l, now)
{
	const v = l.values || {}, rows = [];

	if (l.probe !== 'snmp') {
		rows.push([t('rtt'), ms(l.rtt_ms)], [t('minmax'), ms(l.rtt_min_ms).replace(' ms', '') + ' / ' + ms(l.rtt_max_ms)],
			[t('pdv'), ms(l.pdv_ms)], [t('lossMinute'), percent(l.loss)]);
		if (v.tls_s !== undefined)
			rows.push([t('tlsTime'), ms(v.tls_s * 1000)]);
		if (v.cert_days !== undefined)
			rows.push([t('certLeft'), v.cert_days < 0 ? t('certPast', Math.ceil(-v.cert_days))
				: t('days', Math.floor(v.cert_days))]);
	} else {
		for (const [k, key, f] of [['in_bps', 'inbps', (x) => scaled(x, 'bit/s')],
			['out_bps', 'outbps', (x) => scaled(x, 'bit/s')], ['oper_status', 'port',
				(x) => x === 1 ? t('portUp') : t('portNotUp', x)], ['cpu_ratio', 'cpu', percent],
			['mem_ratio', 'mem', percent], ['storage_ratio', 'storage', percent]])
			if (v[k] !== undefined)
				rows.push([t(key), f(v[k])]);
		for (const o of l.objects || [])
			if (v[o.key] !== undefined)
				rows.push([o.name, scaled(v[o.key], o.unit)]);
	}
	const causes = Object.entries(l.causes || {}).map(([k, n]) => word(k) + ' × ' + n).join(t('clause'));

	rows.push([t('lastSample'), l.at === null ? t('never') : ago(now, l.at) + (causes ? t('clause') + causes : '')]);
	return rows.map(([a, b]) => pair(a, b));
}

function factsOf(l, vendors)
{
	return [
		[t('probe'), word(l.probe) + (l.tls ? ' TLS ' : ' ') + l.target + (l.port ? ':' + l.port : '')],
		[t('agent'), l.agent], [t('vendor'), vendorName(vendors, l.vendor)], [t('zone'), l.zone],
		[t('klass'), l['class']], [t('chain'), [l.chain, word(l.segment)].filter(Boolean).join(' ')],
		[t('step'), l.step_ms / 1000 + ' s × ' + l.count],
	].filter((r) => r[1]).map(([a, b]) => pair(a, b));
}

// alertd's figures for a verdict, as name and value.
function whyOf(why)
{
	return Object.entries(why).map(([k, v]) => pair(k, typeof v === 'object' && v !== null
		? JSON.stringify(v) : String(v)));
}

export function linkPage(main)
{
	const badge = stateBadge(null), since = el('span', { class: 'muted' }), title = el('h1');
	const figures = el('dl', { class: 'facts big' }), facts = el('dl', { class: 'facts' });
	const why = el('dl', { class: 'facts' }), whyCard = el('section', { class: 'card' }, el('h2', {}, t('whyState')), why);
	const mine = el('section', { class: 'card strip' }), graphs = el('div', { class: 'graphs' });
	let link = null, all = [], timer = 0, vendors = [];
	const view = new View(() => draw());
	const bar = toolbar(view);

	keys(view);
	main.append(el('div', { class: 'page-head' }, el('a', { href: '/', class: 'back' }, '← ' + t('wall')), title,
		badge, since), el('section', { class: 'card' }, figures), bar.node, graphs,
		el('p', { class: 'muted help' }, t('graphHelp')), mine,
		el('div', { class: 'columns' }, el('section', { class: 'card' }, el('h2', {}, t('facts')), facts), whyCard));
	mine.hidden = whyCard.hidden = true;

	function draw()
	{
		bar.show();
		if (!link)
			return;
		for (const g of all)
			g.load(link);
		clearInterval(timer);
		// A picture that ends now is drawn again as often as a pixel of it lasts, 10 s at least.
		timer = setInterval(() => { if (view.to === null && !document.hidden) draw(); },
			1000 * Math.min(300, Math.max(10, link.step_ms / 1000, view.span / 800)));
	}

	function fill(l)
	{
		const now = Date.now() / 1000;

		link = Object.assign(link || {}, l);
		setText(title, named(link, 'name'));
		document.title = named(link, 'name') + ' - ' + t('product');
		setState(badge, link.state);
		setText(since, link.state && link.since ? t('since', dayStamp(link.since)) : '');
		figures.replaceChildren(...figuresOf(link, now));
		facts.replaceChildren(...factsOf(link, vendors));
	}

	async function reload()
	{
		let data;

		try {
			data = await api('link/' + body.a + '/' + body.b);
		} catch (e) {
			if (!link)
				main.replaceChildren(emptyState(t('loadFailed', e.message)));
			return;
		}
		const first = link === null, verdict = data.alertd || {};

		vendors = data.vendors;

		fill(data.link);
		whyCard.hidden = !verdict.why || Object.keys(verdict.why).length === 0;
		why.replaceChildren(...whyOf(verdict.why || {}));
		const list = verdict.incidents || [];

		mine.hidden = list.length === 0;
		mine.replaceChildren(el('h2', {}, t('linkIncidents')),
			...list.map((i) => incidentRow(i, Date.now() / 1000)));
		if (first) {
			all = link.graphs.map((k) => new Graph(view, k, t('graph_' + k)));
			graphs.replaceChildren(...all.map((g) => g.node));
			draw();
		}
	}

	let resized = 0;

	addEventListener('resize', () => { clearTimeout(resized); resized = setTimeout(draw, 250); });
	addEventListener('themechange', draw);
	matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
	return {
		reload,
		links(list) {
			const l = list.find((x) => x.agent === body.a && x.link === body.b);

			if (l && link) {
				fill(l);
				if (l.state !== badge.dataset.state)
					reload();
			}
		},
		incident: reload,
	};
}
