// search.js - "/" finds links, agents, targets, vendors and incidents by any part of a name, an id or an address.
import { t, named, word, gradeWord, vendorName, zoneName } from './text.js';
import { el, api, shapes } from './ui.js';

const EACH = 7;				// results of a kind

// What can be found: [{kind, text, detail, href, state, hay}].
async function gather()
{
	const [links, agents, incidents] = await Promise.all([api('links?curve=0'), api('agents'), api('incidents')]);
	const rows = [], targets = new Map();
	const add = (kind, text, detail, href, state, ...hay) => rows.push({ kind, text, detail, href, state,
		hay: [text, detail, ...hay].join('\n').toLowerCase() });

	for (const i of incidents.incidents)
		add('incidents', '#' + i.number + ' ' + named(i, 'title'), gradeWord(i.grade) + ' · ' + word(i.state),
			'/incident/' + i.number, null, i.title_zh, i.title_en, i.handler, i.agent + '/' + i.link, i.vendor);
	for (const l of links.links) {
		const vendor = vendorName(links.vendors, l.vendor);

		add('links', named(l, 'name'), l.agent + '/' + l.link + ' · ' + l.target + ' · ' + vendor,
			'/link/' + l.agent + '/' + l.link, l.state || 'none', l.name_zh, l.name_en, l.short_zh, l.short_en, l.zone,
			zoneName(links.zones, l.zone));
		targets.set(l.target, (targets.get(l.target) || 0) + 1);
	}
	for (const a of agents.agents)
		add('agents', named(a, 'name'), a.agent + ' · ' + vendorName(agents.vendors, a.vendor) + (a.address ? ' · ' + a.address : ''),
			'/agent/' + a.agent, null, a.name_zh, a.name_en, a.zone, zoneName(agents.zones, a.zone));
	for (const [target, n] of targets)
		add('targets', target, t('nLinks', n), '/matrix?q=' + encodeURIComponent(target), null);
	for (const v of links.vendors)
		add('vendors', named(v, 'name'), v.code, '/matrix?vendor=' + v.id, null, v.id, v.name_zh, v.name_en);
	return rows;
}

// Every word of what was typed must stand in it; what begins with it comes first.
export function find(rows, typed)
{
	const words = typed.toLowerCase().split(/\s+/).filter(Boolean), found = [];

	if (words.length === 0)
		return [];
	for (const kind of ['incidents', 'links', 'agents', 'targets', 'vendors']) {
		const hits = rows.filter((r) => r.kind === kind && words.every((w) => r.hay.includes(w)));
		const first = (r) => r.text.toLowerCase().startsWith(words[0]) ? 0 : 1;

		found.push(...hits.sort((a, b) => first(a) - first(b)).slice(0, EACH));
	}
	return found;
}

export function searchDialog()
{
	const input = el('input', { type: 'search', id: 'search-input', role: 'combobox', 'aria-expanded': 'true', autocomplete: 'off',
		'aria-controls': 'search-list', 'aria-label': t('search'), placeholder: t('searchHint'), maxlength: 100 });
	const list = el('ul', { id: 'search-list', role: 'listbox', 'aria-label': t('search') });
	const says = el('p', { class: 'muted', role: 'status' });
	const dialog = el('dialog', { id: 'search', 'aria-label': t('search') }, input, list, says);
	let rows = null, found = [], at = 0;

	const mark = () => [...list.querySelectorAll('[role=option]')].forEach((o, i) => {
		o.setAttribute('aria-selected', String(i === at));
		if (i === at) {
			input.setAttribute('aria-activedescendant', o.id);
			o.scrollIntoView({ block: 'nearest' });
		}
	});
	const show = () => {
		const nodes = [];

		found = rows ? find(rows, input.value) : [];
		at = 0;
		found.forEach((r, i) => {
			if (i === 0 || found[i - 1].kind !== r.kind)
				nodes.push(el('li', { class: 'search-kind', role: 'presentation' }, t('found_' + r.kind)));
			nodes.push(el('li', { role: 'option', id: 'hit-' + i, onclick: () => location.assign(r.href) },
				el('span', { class: 'hit' }, (r.state ? shapes[r.state] + ' ' : '') + r.text),
				el('span', { class: 'muted' }, r.detail)));
		});
		list.replaceChildren(...nodes);
		says.textContent = !rows ? t('loading') : input.value.trim() && found.length === 0 ? t('nothingFound') : t('searchKeys');
		mark();
	};

	input.addEventListener('input', show);
	input.addEventListener('keydown', (e) => {
		const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];

		if (step && found.length) {
			at = (at + step + found.length) % found.length;
			mark();
			e.preventDefault();
		} else if (e.key === 'Enter' && found[at] && !e.isComposing) {
			location.assign(found[at].href);
		}
	});
	dialog.addEventListener('click', (e) => { if (e.target === dialog) dialog.close(); });
	document.body.append(dialog);

	async function open()
	{
		if (dialog.open)
			return;
		rows = null;
		input.value = '';
		dialog.showModal();
		input.focus();
		show();
		try {
			rows = await gather();
			show();
		} catch (e) {
			says.textContent = t('loadFailed', e.message);
		}
	}

	addEventListener('keydown', (e) => {
		if (e.key === '/' && !e.ctrlKey && !e.metaKey && !e.altKey
		    && !e.target.closest?.('input, select, textarea, dialog')) {
			e.preventDefault();
			open();
		}
	});
	return open;
}
