// incidents.js - the list of incidents and the page of one.
import { t, named, word, gradeWord, causes, located, deed, noted, vendorName, isEnglish } from './text.js';
import { el, api, post, body, stamp, dayStamp, duration, setText, emptyState, stateBadge, isDark } from './ui.js';
import { isOpen, byUrgency } from './wall.js';

const FIELDS = ['cause', 'root-cause', 'responsible', 'measure', 'grade-final'];
const now = () => Date.now() / 1000;
const lasted = (i) => duration((i.recovered || i.closed || now()) - i.first_fail);

const whereOf = (i) => located(i.located) || (i.segment === 'none' ? '' : word(i.segment)) || '—';

function row(i, vendors)
{
	const cells = [
		['n', '#' + i.number], ['g', gradeWord(i.grade)], ['s', word(i.state)],
		['t', named(i, 'title')], ['v', vendorName(vendors, i.vendor)], ['l', whereOf(i)],
		['f', dayStamp(i.first_fail)], ['d', lasted(i)], ['h', i.handler || '—'],
	];

	return el('tr', { 'data-grade': i.grade, 'data-istate': i.state, 'data-number': i.number },
		...cells.map(([c, text]) => el('td', { class: c }, c === 't'
			? el('a', { href: '/incident/' + i.number }, text)
			: c === 'g' ? el('span', { class: 'grade' }, text) : text)));
}

export function incidentsPage(main)
{
	const known = new Map();
	const table = el('div', { class: 'card scroll' });
	const buttons = ['showOpen', 'showAll'].map((k) => el('button', { 'data-show': k, onclick: () => {
		all = k === 'showAll';
		show();
	} }, t(k)));
	let all = false, up = true, loaded = false, vendors = [];

	document.title = t('incidents') + ' - ' + t('product');
	main.append(el('div', { class: 'page-head' }, el('h1', {}, t('incidents')),
		el('span', { class: 'group' }, ...buttons)), table);

	function show()
	{
		const list = [...known.values()].filter((i) => all || isOpen(i))
			.sort(all ? (a, b) => b.number - a.number : byUrgency);
		const heads = ['number', 'grade', 'state', 'title', 'vendor', 'located', 'firstFail', 'lasted', 'handler'];

		buttons.forEach((b, i) => b.setAttribute('aria-pressed', String(all === (i === 1))));
		if (!loaded)
			return;
		table.replaceChildren(list.length === 0
			? emptyState(up ? (all ? t('nothingHere') : t('noIncidents')) : t('alertdAway'),
				up ? t('nothingHereHint') : null)
			: el('table', { class: 'list' }, el('thead', {}, el('tr', {},
				...heads.map((h) => el('th', { scope: 'col' }, t(h))))), el('tbody', {}, ...list.map((i) => row(i, vendors)))));
	}

	async function reload()
	{
		try {
			const data = await api('incidents');

			up = data.up;
			vendors = data.vendors;
			loaded = true;
			known.clear();
			data.incidents.forEach((i) => known.set(i.number, i));
			show();
		} catch (e) {
			table.replaceChildren(emptyState(t('loadFailed', e.message)));
		}
	}

	setInterval(show, 15000);
	return {
		reload,
		incident(i) { known.set(i.number, i); show(); },
		status(s) { if (s.alertd.up !== up) reload(); },
	};
}

// ---------------------------------------------------------------- one incident

const pair = (label, value) => el('div', {}, el('dt', {}, label), el('dd', {}, value));

function summaryOf(i, vendors)
{
	return [
		[t('firstFail'), stamp(i.first_fail)], [t('opened'), stamp(i.opened)], [t('acked'), stamp(i.acked)],
		[t('recovered'), stamp(i.recovered)], [t('closedAt'), stamp(i.closed)], [t('lasted'), lasted(i)],
		[t('handler'), i.handler || '—'], [t('eta'), stamp(i.eta)], [t('vendor'), vendorName(vendors, i.vendor)],
		[t('located'), whereOf(i)],
	].map(([a, b]) => pair(a, b));
}

// "open -> handling", "P4 -> P3"; a field that was set has its value.
function stepOf(e)
{
	const say = e.what === 'grade' ? (g) => gradeWord(Number(g)) : e.what === 'set' ? (v) => v : word;

	return (e.from ? say(e.from) + ' → ' : '→ ') + say(e.to);
}

function logOf(list, incident)
{
	return list.map((e) => el('li', {}, el('time', {}, stamp(e.at)),
		el('b', {}, deed(e.what)), el('span', { class: 'muted' }, [e.actor, word(e.role), word(e.channel)]
			.filter((v, k, a) => v && v !== 'core' && a.indexOf(v) === k).join(' · ')),
		e.to && e.to !== e.from ? el('span', { class: 'step' }, stepOf(e)) : null,
		e.note ? el('p', {}, noted(e, incident)) : null));
}

function messagesOf(list)
{
	if (list.length === 0)
		return emptyState(t('noMessages'));
	return el('table', { class: 'list' }, el('thead', {}, el('tr', {}, ...['at', 'state', 'recipient', 'channel',
		'body'].map((h) => el('th', { scope: 'col' }, t(h))))), el('tbody', {}, ...list.map((m) => el('tr', {},
		el('td', { class: 'f' }, dayStamp(m.sent || m.decided)),
		el('td', { class: 's' }, word(m.state) + (m.attempts > 1 ? ' ×' + m.attempts : '')),
		el('td', {}, m.recipient + (m.address ? ' ' + m.address : '')), el('td', {}, m.channel),
		el('td', { class: 'body' }, m.body, m.detail && !['sent', 'delivered'].includes(m.state) ? el('p', { class: 'muted' }, m.detail) : null)))));
}

// The numbers that made an anomaly, as "name value · name value".
function spoken(evidence)
{
	if (typeof evidence === 'string') {
		try {
			evidence = JSON.parse(evidence);
		} catch (e) {
			return evidence;
		}
	}
	return Object.entries(evidence || {}).map(([k, v]) => k.replaceAll('_', ' ') + ' '
		+ (typeof v === 'object' ? JSON.stringify(v) : v)).join(' · ');
}

function evidenceOf(list)
{
	return list.map((a) => el('li', {}, el('time', {}, dayStamp(a.start)),
		el('b', {}, word(a.kind)), el('span', { class: 'muted' }, [a.agent, a.link].filter(Boolean).join('/')),
		el('span', { class: 'step' }, a.end ? stamp(a.end) : ''),
		el('p', { class: 'muted code' }, spoken(a.evidence))));
}

// ---------------------------------------------------------------- evidence graphs: the links around the time of the fault

const GRAPHS = 4;
const KIND = { utilisation: 'traffic', errors: 'errors', loss: 'rtt', latency: 'rtt', variation: 'pdv' };

function timesOf(i)
{
	const end = i.recovered || i.closed || now(), pad = Math.min(6 * 3600, Math.max(600, (end - i.first_fail) / 3));

	return [Math.floor(i.first_fail - pad), Math.ceil(Math.min(now(), end + pad))];
}

function evidenceGraph(link, kind, from, to, width)
{
	const q = new URLSearchParams({ kind, from, to, w: width, h: 150, scale: Math.round(100 * Math.min(2, devicePixelRatio || 1)),
		theme: isDark() ? 'dark' : 'light', lang: isEnglish ? 'en' : 'zh' });
	const key = link.agent + '/' + link.link, words = t('evidenceOf', named(link, 'name'), t('graph_' + kind), stamp(from), stamp(to));
	const note = el('p', { class: 'graph-note muted', hidden: true }, t('loadFailed', words));
	const img = el('img', { alt: words, src: '/graph/' + key + '?' + q, loading: 'lazy', onerror: () => {
		img.hidden = true;
		note.hidden = false;
	} });

	return el('figure', { class: 'evidence-graph' }, el('figcaption', {},
		el('a', { href: '/link/' + key + '?from=' + from + '&to=' + to }, named(link, 'name')), el('span', { class: 'muted' }, ' ' + t('graph_' + kind))),
	img, note);
}

// Draws anew when the incident has changed or, while it lasts, each minute.
async function drawEvidence(box, i)
{
	const [from, to] = timesOf(i), lasting = !i.recovered && !i.closed;
	const shown = [i.number, from, lasting ? Math.floor(to / 60) : to, isDark()].join();

	if (box.dataset.shown === shown)
		return;
	box.dataset.shown = shown;
	const links = await Promise.all((i.links || []).slice(0, GRAPHS).map((l) =>
		api('link/' + l.agent + '/' + l.link).then((d) => d.link, () => null)));
	const width = Math.max(220, Math.min(1600, box.clientWidth - 100));
	const drawn = links.filter((l) => l && l.graphs.length > 0).map((l) =>
		evidenceGraph(l, l.graphs.includes(KIND[i.kind]) ? KIND[i.kind] : l.graphs[0], from, to, width));

	box.replaceChildren(...(drawn.length ? drawn : [emptyState(t('nothingFound'))]));
}

function linksOf(list)
{
	return list.map((l) => el('a', { class: 'chip', href: '/link/' + l.agent + '/' + l.link },
		l.agent + '/' + l.link, ' ', stateBadge(l.state)));
}

function fieldInput(name, value)
{
	const id = 'field-' + name;
	let input;

	if (name === 'cause')
		input = el('select', { id, name }, el('option', { value: '' }, ''),
			...causes.map((c) => el('option', { value: c.code, selected: String(c.code) === String(value) }, c.text)));
	else if (name === 'grade-final')
		input = el('select', { id, name }, el('option', { value: '' }, ''),
			...[1, 2, 3, 4].map((g) => el('option', { value: g, selected: String(g) === String(value) }, gradeWord(g))));
	else
		input = el('input', { id, name, value: value || '', maxlength: 500 });
	return el('p', {}, el('label', { for: id }, t('field_' + name)), input);
}

// What closing waits for, each with its yes or no.
function closeList(i)
{
	const rows = [['close_recovered', i.clean_since > 0 || i.link_state === 'up'], ['close_fields', (i.missing || []).length === 0]];

	return el('ul', { class: 'checklist' }, ...rows.map(([key, ok]) => el('li', { 'data-ok': ok ? '1' : '0' },
		el('span', { 'aria-hidden': 'true' }, ok ? '● ' : '○ '), t(key) + t('colon') + (ok ? t('yes') : t('notYet')))));
}

// A form for each thing that may be done now.  What must be filled in says so; alertd has the last word.
function actionForms(i, act)
{
	const forms = [], must = (label) => [label, el('em', {}, ' *' + t('needed'))];
	const form = (name, ...inputs) => forms.push(el('form', { class: 'act', 'data-act': name, onsubmit: (e) => {
		e.preventDefault();
		act(name, new FormData(e.target));
	} }, ...inputs, el('button', { class: name === 'ack' ? 'primary' : '' }, t('act_' + name))));
	const note = (id, needed) => el('p', {}, el('label', { for: id }, ...(needed ? must(t('note')) : [t('note')])),
		el('input', { id, name: 'note', maxlength: 500, required: needed }));
	const ended = i.state === 'recovered' || i.state === 'review';

	if (!isOpen(i)) {
		form('note', note('note-note', true));
		if (body.role !== 'vendor')
			form('reopen', note('reopen-note', true));
		return forms;
	}
	if (i.state === 'hold' && body.role !== 'vendor')
		form('resume', note('resume-note'));
	else if (!ended)
		form('ack', note('ack-note'), el('p', {}, el('label', { for: 'ack-eta' }, t('etaHint')),
			el('input', { id: 'ack-eta', name: 'eta', pattern: '[0-2][0-9]:[0-5][0-9]', placeholder: '10:00', size: 6 })));
	form('note', note('note-note', true));
	if (body.role === 'vendor')		// he answers, he does not judge
		return forms;
	form('close', closeList(i), ...FIELDS.map((f) => fieldInput(f, i.fields[f])), note('close-note'));
	forms[forms.length - 1].querySelector('button').after(el('button', { type: 'button', onclick: (e) =>
		act('set', new FormData(e.target.form)) }, t('act_set')));
	form('grade', el('p', {}, el('label', { for: 'new-grade' }, t('newGrade')), el('select', { id: 'new-grade', name: 'grade-final' },
		...[1, 2, 3, 4].map((g) => el('option', { value: g, selected: g === i.grade }, gradeWord(g))))), note('grade-note'));
	if (i.state === 'open' || i.state === 'handling')
		form('hold', note('hold-note', true));
	if (ended)
		form('reopen', note('reopen-note', true));
	form('cancel', note('cancel-note', true));
	return forms;
}

export function incidentPage(main)
{
	const number = Number(body.a);
	const head = el('div', { class: 'page-head' }), told = el('p', { class: 'told', role: 'status', 'aria-live': 'polite' });
	const summary = el('dl', { class: 'facts' }), fields = el('dl', { class: 'facts' });
	const missing = el('p', { class: 'missing' }), links = el('p', { class: 'chips' });
	const log = el('ol', { class: 'timeline', reversed: true }), messages = el('div', { class: 'scroll' });
	const evidence = el('ul', { class: 'timeline' }), actions = el('div', { class: 'actions' });
	const graphs = el('div', { class: 'evidence-graphs' });
	const card = (key, ...c) => el('section', { class: 'card' }, el('h2', {}, t(key)), ...c);
	let shown = -1, version = 0, vendors = [], last = null;

	document.title = '#' + number + ' - ' + t('product');
	main.append(head, told, el('section', { class: 'card' }, summary, links), card('evidenceGraphs', graphs),
		el('div', { class: 'columns' }, card('timeline', log), el('div', {}, card('fields', fields, missing),
			card('actions', actions))), card('messages', messages), card('evidence', evidence));

	addEventListener('themechange', () => { if (last) drawEvidence(graphs, last); });

	async function act(name, data)
	{
		const form = Object.fromEntries([...data.entries()].filter(([, v]) => v !== ''));

		told.dataset.kind = '';
		try {
			// The version that was looked at: if somebody was faster, alertd refuses instead of mixing the two.
			await post('incident/' + number + '/' + name, name === 'note' ? form : { ...form, version });
			setText(told, t('done'));
			for (const e of actions.querySelectorAll('form[data-act="' + name + '"] [name]'))
				e.value = e.dataset.was;
		} catch (e) {
			told.dataset.kind = 'bad';
			setText(told, t('failed', e.message) + (e.code === 'conflict' ? t('colon') + t('conflictHint') : ''));
		}
		reload();
	}

	function fill(d)
	{
		const i = d.incident;

		[...main.children].forEach((c) => { c.hidden = false; });
		head.replaceChildren(el('a', { href: '/incidents', class: 'back' }, '← ' + t('incidents')),
			el('h1', {}, '#' + i.number + ' ' + named(i, 'title')),
			el('span', { class: 'grade', 'data-grade': i.grade }, gradeWord(i.grade)),
			el('span', { class: 'istate', 'data-istate': i.state }, word(i.state)), stateBadge(i.link_state));
		summary.replaceChildren(...summaryOf(i, vendors));
		links.replaceChildren(...linksOf(i.links || []));
		fields.replaceChildren(...FIELDS.map((f) => pair(t('field_' + f), String(i.fields[f] || '—'))));
		setText(missing, isOpen(i) && (i.missing || []).length
			? t('missing', i.missing.map((f) => t('field_' + f)).join(t('comma'))) : '');
		log.replaceChildren(...logOf((d.log || []).slice().reverse(), i));
		messages.replaceChildren(messagesOf(d.messages || []));
		evidence.replaceChildren(...evidenceOf(d.anomalies || []));
		last = i;
		drawEvidence(graphs, i);
		if (shown !== i.version)
			fillActions(i);
	}

	// What somebody is typing stays when the incident changes; it is only asked whether it still fits.
	function fillActions(i)
	{
		const typed = [...actions.querySelectorAll('input, select')].filter((e) => e.value !== e.dataset.was)
			.map((e) => [e.id, e.value]);
		const focus = actions.contains(document.activeElement) ? document.activeElement.id : '';

		shown = version = i.version;
		actions.replaceChildren(...(body.role === 'viewer' ? [el('p', { class: 'muted' }, t('readOnly'))]
			: actionForms(i, act)));
		for (const e of actions.querySelectorAll('input, select'))
			e.dataset.was = e.value;
		for (const [id, value] of typed)
			if (document.getElementById(id))
				document.getElementById(id).value = value;
		if (focus)
			document.getElementById(focus)?.focus();
		if (typed.length > 0) {
			told.dataset.kind = 'warn';
			setText(told, t('changedMeanwhile'));
		}
	}

	async function reload()
	{
		try {
			const [shownNow, list] = await Promise.all([api('incident/' + number), api('agents')]);

			vendors = list.vendors;
			fill(shownNow);
		} catch (e) {
			if (shown < 0)
				[...main.children].forEach((c) => { c.hidden = c !== head; });
			if (shown < 0)
				head.replaceChildren(el('h1', {}, '#' + number), emptyState(t('loadFailed', e.message)));
		}
	}

	return {
		reload,
		incident(i) { if (i.number === number) reload(); },
		status(s) { if (s.alertd.up && shown < 0) reload(); },
	};
}
