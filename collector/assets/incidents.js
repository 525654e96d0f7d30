// incidents.js - the list of incidents and the page of one.
import { t, named, word, gradeWord, causes, located, deed, noted, vendorName } from './text.js';
import { el, api, post, body, stamp, dayStamp, duration, setText, emptyState, stateBadge } from './ui.js';
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

function evidenceOf(list)
{
	return list.map((a) => el('li', {}, el('time', {}, dayStamp(a.start)),
		el('b', {}, word(a.kind)), el('span', { class: 'muted' }, [a.agent, a.link].filter(Boolean).join('/')),
		el('span', { class: 'step' }, a.end ? stamp(a.end) : ''),
		el('p', { class: 'muted code' }, typeof a.evidence === 'string' ? a.evidence : JSON.stringify(a.evidence))));
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

// A form for each thing that may be done now.
function actionForms(i, act)
{
	const forms = [];
	const form = (name, ...inputs) => forms.push(el('form', { class: 'act', 'data-act': name, onsubmit: (e) => {
		e.preventDefault();
		act(name, new FormData(e.target));
	} }, ...inputs, el('button', { class: name === 'ack' ? 'primary' : '' }, t('act_' + name))));
	const note = (id) => el('p', {}, el('label', { for: id }, t('note')), el('input', { id, name: 'note', maxlength: 500 }));

	if (isOpen(i)) {
		form('ack', note('ack-note'), el('p', {}, el('label', { for: 'ack-eta' }, t('etaHint')),
			el('input', { id: 'ack-eta', name: 'eta', pattern: '[0-2][0-9]:[0-5][0-9]', placeholder: '10:00', size: 6 })));
		form('note', note('note-note'));
		form('close', ...FIELDS.map((f) => fieldInput(f, i.fields[f])), note('close-note'));
		form('cancel', note('cancel-note'));
	} else {
		form('reopen', note('reopen-note'));
	}
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
	const card = (key, ...c) => el('section', { class: 'card' }, el('h2', {}, t(key)), ...c);
	let shown = -1, vendors = [];

	document.title = '#' + number + ' - ' + t('product');
	main.append(head, told, el('section', { class: 'card' }, summary, links),
		el('div', { class: 'columns' }, card('timeline', log), el('div', {}, card('fields', fields, missing),
			card('actions', actions))), card('messages', messages), card('evidence', evidence));

	async function act(name, data)
	{
		const form = Object.fromEntries([...data.entries()].filter(([, v]) => v !== ''));

		told.dataset.kind = '';
		try {
			await post('incident/' + number + '/' + name, form);
			setText(told, t('done'));
		} catch (e) {
			told.dataset.kind = 'bad';
			setText(told, t('failed', e.message));
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
		// What somebody is typing stays until the incident itself has changed.
		if (shown !== i.version) {
			actions.replaceChildren(...(body.role === 'viewer' ? [el('p', { class: 'muted' }, t('readOnly'))]
				: actionForms(i, act)));
			shown = i.version;
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
