// link.js - one link: figures, graphs with zoom, its incidents, why it is in its state.
import { t, named, word, isEnglish, vendorName, zoneName } from './text.js';
import { el, api, body, ms, percent, scaled, stamp, dayStamp, ago, setText, setState, stateBadge,
	duration, isDark, toLogin, emptyState } from './ui.js';
import { incidentRow } from './wall.js';

const SPANS = [['1h', 3600], ['3h', 3 * 3600], ['1d', 86400], ['3d', 3 * 86400], ['1w', 7 * 86400],
	['1m', 31 * 86400], ['3m', 92 * 86400], ['1y', 366 * 86400]];
const WEEK = 7 * 86400, MANY = ['rtt', 'loss', 'pdv'], WHEEL_MS = 150;
const SPAN_MIN = 60, SPAN_MAX = 5 * 366 * 86400;
const HEIGHTS = { rtt: 260, traffic: 220, loss: 110, pdv: 110, status: 50, tls: 110, cert: 110 };

// The time that all graphs show (to === null: up to now), and what is drawn beside the link itself:
// before (the week before, s), mirror (traffic), reverse (the way back), others (links, "agent/link").
class View {
	constructor(changed)
	{
		const q = new URLSearchParams(location.search);
		const from = Number(q.get('from')), to = Number(q.get('to')), span = Number(q.get('span'));

		this.changed = changed;
		this.span = SPANS[0][1];
		this.to = null;
		this.before = q.get('before') === String(WEEK) ? WEEK : 0;
		this.mirror = q.get('mirror') === '1';
		this.reverse = q.get('reverse') === '1';
		this.others = (q.get('with') || '').split(',').filter((x) => /^[a-z0-9-]+\/[a-z0-9-]+$/.test(x)).slice(0, 7);
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
		this.show();
	}
	show()
	{
		const q = new URLSearchParams(this.to === null ? { span: this.span } : { from: this.begin(), to: this.to });

		for (const k of ['before', 'mirror', 'reverse'])
			if (this[k])
				q.set(k, Number(this[k]));
		if (this.others.length > 0)
			q.set('with', this.others.join(','));
		history.replaceState(null, '', location.pathname + '?' + q);
		this.changed();
	}
	// What a graph of this kind is asked for beside its time.
	beside(kind)
	{
		if (MANY.includes(kind) && this.reverse)
			return { reverse: 1 };
		if (MANY.includes(kind) && this.others.length > 0)
			return { with: this.others.join(',') };
		return Object.assign(this.before ? { before: this.before } : {},
			kind === 'traffic' && this.mirror ? { mirror: 1 } : {});
	}
	toggle(what)
	{
		if (what === 'before') {
			this.before = this.before ? 0 : WEEK;
			this.reverse = false;
			this.others = [];
		} else {
			this[what] = !this[what];
			if (what === 'reverse' && this.reverse) {
				this.before = 0;
				this.others = [];
			}
		}
		this.show();
	}
	toggleOther(key)
	{
		this.others = this.others.includes(key) ? this.others.filter((x) => x !== key) : [...this.others, key];
		this.before = 0;
		this.reverse = false;
		this.show();
	}
	preset(i) { this.set(SPANS[i][1], null); }
	zoom(factor)
	{
		const middle = this.to === null && factor < 1 ? this.end() : this.end() - this.span / 2;
		const span = this.span * factor;

		this.set(span, this.to === null && factor < 1 ? null : middle + span / 2);
	}
	move(share) { this.set(this.span, this.end() + this.span * share); }
	// Zooms so that the time under the pointer stays where it is.
	zoomAt(time, factor)
	{
		const share = (this.end() - time) / this.span, span = Math.min(SPAN_MAX, Math.max(SPAN_MIN, this.span * factor));

		this.set(span, time + share * span);
	}
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
		this.address = el('div', { class: 'address', hidden: true });
		this.node = el('figure', { class: 'card graph' }, el('figcaption', {}, title, el('span', { class: 'group' },
			...['png', 'svg'].map((f) => el('button', { class: 'small', 'data-address': f, title: t('addressHelp'),
				onclick: () => this.share(f) }, t('copyAddress', f.toUpperCase()))))), this.address, this.plot);
		this.img.hidden = true;
		this.listen();
	}
	query(scale)
	{
		const mirrored = this.view.reverse && MANY.includes(this.kind), h = HEIGHTS[this.kind] || 160;

		return new URLSearchParams({ kind: this.kind, from: this.view.begin(), to: this.view.end(),
			w: Math.max(160, Math.min(2000, Math.floor(this.plot.clientWidth - 96))),
			h: innerHeight < 500 ? 140 : mirrored ? Math.max(h, 220) : h, scale: Math.round(scale * 100),
			theme: isDark() ? 'dark' : 'light', lang: isEnglish ? 'en' : 'zh', ...this.view.beside(this.kind) });
	}
	// An address of this picture, fixed in time, that opens without log-in.
	async share(format)
	{
		const q = this.query(1);
		let field = null;

		q.set('format', format);
		q.set('title', '1');
		q.set('theme', 'light');
		q.set('w', '800');
		try {
			const a = await api('graph-address/' + body.a + '/' + body.b + '?' + q);
			const url = location.origin + a.path;

			field = el('input', { readonly: '', value: url, 'aria-label': t('address') });
			this.address.replaceChildren(field, el('span', { class: 'muted' }, t('addressUntil', dayStamp(a.expires))));
			this.address.hidden = false;
			field.select();
			await navigator.clipboard.writeText(url);
			this.address.append(el('span', { class: 'muted', role: 'status' }, t('copied')));
		} catch (e) {
			if (field === null) {
				this.address.replaceChildren(el('span', { class: 'problem failed' }, e.message));
				this.address.hidden = false;
			}		// without a clipboard the address stands there, marked
		}
	}
	async load(name)
	{
		const from = this.view.begin(), to = this.view.end();
		const scale = Math.min(3, Math.max(1, devicePixelRatio || 1)), q = this.query(scale);
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
		this.img.dataset.marks = get('Marks');
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
	// Drag marks a stretch to zoom into; with Shift or the middle button it moves the time.
	listen()
	{
		let start = null;
		const place = (e) => {
			const box = this.plot.getBoundingClientRect(), a = start.x - box.left, b = e.clientX - box.left;

			if (start.pan) {
				this.img.style.transform = 'translateX(' + (b - a) + 'px)';
				return;
			}
			this.mark.hidden = Math.abs(b - a) < 4;
			this.mark.style.left = Math.min(a, b) + 'px';
			this.mark.style.width = Math.abs(b - a) + 'px';
		};
		const done = () => {
			const s = start;

			start = null;
			this.mark.hidden = true;
			this.img.style.transform = '';
			return s;
		};

		this.plot.addEventListener('pointerdown', (e) => {
			if (e.button > 1 || !this.canvas)
				return;
			if (e.button === 1)
				e.preventDefault();
			start = { x: e.clientX, time: this.timeAt(e), pan: e.shiftKey || e.button === 1 };
			this.plot.setPointerCapture(e.pointerId);
		});
		this.plot.addEventListener('pointermove', (e) => { if (start) place(e); });
		this.plot.addEventListener('pointerup', (e) => {
			const s = done();

			if (!s || Math.abs(e.clientX - s.x) < 8)
				return;
			if (s.pan) {
				const c = this.canvas, box = this.img.getBoundingClientRect();

				this.view.set(this.view.span, this.view.end()
					- (e.clientX - s.x) / (box.width * c.width) * (c.to - c.from));
			} else {
				const end = this.timeAt(e);

				this.view.between(Math.min(s.time, end), Math.max(s.time, end));
			}
		});
		this.plot.addEventListener('pointercancel', done);
		this.plot.addEventListener('dblclick', () => this.view.zoom(2));
		this.wheel();
	}
	// Ctrl (or a pinch) and the wheel zoom, Shift and the wheel move; the wheel alone scrolls the page.
	wheel()
	{
		let timer = 0, turned = 0, at = 0, move = false;
		const turn = () => {
			const n = Math.max(-4, Math.min(4, turned / 100));

			turned = 0;
			if (move)
				this.view.move(n * 0.2);
			else
				this.view.zoomAt(at, 1.5 ** n);
		};

		this.plot.addEventListener('wheel', (e) => {
			if (!this.canvas || !(e.ctrlKey || e.shiftKey))
				return;
			e.preventDefault();
			at = this.timeAt(e);
			move = e.shiftKey;
			turned += (e.deltaY || e.deltaX) * (e.deltaMode === 1 ? 33 : 1);
			clearTimeout(timer);
			timer = setTimeout(turn, WHEEL_MS);
		}, { passive: false });
	}
}

function toolbar(view)
{
	const presets = SPANS.map(([key], i) => el('button', { 'data-span': key, onclick: () => view.preset(i) },
		t('span' + key)));
	const range = el('span', { class: 'range', 'aria-live': 'polite' });
	const button = (id, sign, label, f) => el('button', { id, title: label, 'aria-label': label, onclick: f }, sign);
	const more = {};
	const others = el('span', { class: 'group', id: 'others' });
	const beside = el('span', { class: 'group' }), row = el('div', { class: 'toolbar beside', role: 'toolbar', hidden: true },
		beside, others);

	for (const what of ['before', 'mirror', 'reverse']) {
		more[what] = el('button', { id: 'show-' + what, hidden: true, onclick: () => view.toggle(what) }, t('show_' + what));
		beside.append(more[what]);
	}
	const now = el('button', { id: 'to-now', onclick: () => view.set(view.span, null) }, t('toNow'));

	return {
		node: el('div', { class: 'toolbar', role: 'toolbar' },
			el('span', { class: 'group' }, ...presets),
			el('span', { class: 'group' },
				button('zoom-in', '+', t('zoomIn'), () => view.zoom(0.5)),
				button('zoom-out', '−', t('zoomOut'), () => view.zoom(2)),
				button('earlier', '←', t('earlier'), () => view.move(-0.5)),
				button('later', '→', t('later'), () => view.move(0.5)), now), range),
		row,
		// What this link has to stand beside: only that is offered.
		offer(link, peers) {
			more.before.hidden = link.graphs.length === 0;
			more.mirror.hidden = !link.graphs.includes('traffic');
			more.reverse.hidden = !link.reverse;
			view.reverse = view.reverse && Boolean(link.reverse);
			others.replaceChildren(...peers.map((p) => el('button', { 'data-other': p.agent + '/' + p.link,
				title: t('showOther', p.agent + '/' + p.link), onclick: () => view.toggleOther(p.agent + '/' + p.link) },
			'+ ' + named(p, 'name'))));
			row.hidden = false;
		},
		show() {
			presets.forEach((b, i) => b.setAttribute('aria-pressed',
				String(view.to === null && view.span === SPANS[i][1])));
			for (const [what, b] of Object.entries(more))
				b.setAttribute('aria-pressed', String(Boolean(view[what])));
			for (const b of others.children)
				b.setAttribute('aria-pressed', String(view.others.includes(b.dataset.other)));
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

	moves.w = () => view.toggle('before');
	for (const [key, what] of [['m', 'mirror'], ['r', 'reverse']])
		moves[key] = () => document.getElementById('show-' + what).hidden || view.toggle(what);
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

function factsOf(l, vendors, zones)
{
	return [
		[t('probe'), word(l.probe) + (l.tls ? ' TLS ' : ' ') + l.target + (l.port ? ':' + l.port : '')],
		[t('agent'), l.agent], [t('vendor'), vendorName(vendors, l.vendor)], [t('zone'), zoneName(zones, l.zone)],
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
	let link = null, all = [], timer = 0, vendors = [], zones = [];
	const view = new View(() => draw());
	const bar = toolbar(view);

	keys(view);
	main.append(el('div', { class: 'page-head' }, el('a', { href: '/', class: 'back' }, '← ' + t('wall')), title,
		badge, since), el('section', { class: 'card' }, figures), bar.node, bar.row, graphs,
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
		facts.replaceChildren(...factsOf(link, vendors, zones));
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
		zones = data.zones;

		fill(data.link);
		whyCard.hidden = !verdict.why || Object.keys(verdict.why).length === 0;
		why.replaceChildren(...whyOf(verdict.why || {}));
		const list = verdict.incidents || [];

		mine.hidden = list.length === 0;
		mine.replaceChildren(el('h2', {}, t('linkIncidents')),
			...list.map((i) => incidentRow(i, Date.now() / 1000, null, zones)));
		if (first) {
			bar.offer(link, data.peers || []);
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
