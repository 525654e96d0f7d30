// app.js - frame of every page: head line, banners, clock, live stream; then the page's own script.
import { t, isEnglish } from './text.js';
import { el, body, clock, stamp, setText, setCookie, api } from './ui.js';
import { makeBell } from './bell.js';
import { searchDialog } from './search.js';
import { follow } from './live.js';
import { wallPage } from './wall.js';
import { linkPage } from './link.js';
import { incidentsPage, incidentPage } from './incidents.js';
import { agentsPage, agentPage } from './agents.js';
import { matrixPage } from './matrix.js';
import { chainsPage } from './chains.js';
import { adminPage } from './admin.js';

const pages = { wall: wallPage, link: linkPage, incidents: incidentsPage, incident: incidentPage,
	agents: agentsPage, agent: agentPage, matrix: matrixPage, chains: chainsPage, admin: adminPage };
const bell = makeBell();
const root = document.documentElement;

function navigation()
{
	const rows = [['wall', '/', ['wall', 'link']], ['incidents', '/incidents', ['incidents', 'incident']],
		['chains', '/chains', ['chains']], ['matrix', '/matrix', ['matrix']],
		['agents', '/agents', ['agents', 'agent']], ...body.role === 'admin' ? [['admin', '/admin', ['admin']]] : []];

	return el('nav', { 'aria-label': t('pages') }, ...rows.map(([key, href, own]) => el('a', {
		href, 'aria-current': own.includes(body.page) ? 'page' : null, id: 'nav-' + key,
	}, t(key), key === 'incidents' ? el('span', { class: 'count', id: 'nav-count' }) : null)));
}

function themeButton()
{
	const order = ['auto', 'light', 'dark'], keys = ['themeAuto', 'themeLight', 'themeDark'];
	const signs = ['◐', '☀', '☾'];
	const b = el('button', { class: 'quiet', id: 'theme', onclick: () => {
		const next = order[(order.indexOf(root.dataset.theme) + 1) % 3];

		root.dataset.theme = next;
		setCookie('lw_theme', next);
		show();
		dispatchEvent(new Event('themechange'));
	} });
	const show = () => {
		const i = order.indexOf(root.dataset.theme);

		b.textContent = signs[i];
		b.title = t(keys[i]);
		b.setAttribute('aria-label', t(keys[i]));
	};

	show();
	return b;
}

function languageButton()
{
	return el('button', { class: 'quiet', id: 'lang', lang: isEnglish ? 'zh-CN' : 'en', onclick: () => {
		const url = new URL(location.href);

		setCookie('lw_lang', isEnglish ? 'zh' : 'en');
		url.searchParams.delete('lang');
		location.replace(url);
	} }, t('otherLang'));
}

function head()
{
	const now = el('time', { class: 'clock', title: 'UTC+8' });
	const openSearch = searchDialog();
	const tick = () => setText(now, clock(Date.now() / 1000));

	tick();
	setInterval(tick, 1000);
	document.getElementById('top').append(
		el('a', { class: 'skip', href: '#main' }, t('skip')),
		el('a', { class: 'brand', href: '/' },
			el('img', { src: '/assets/favicon.svg', alt: '', width: 28, height: 28 }),
			el('span', {}, t('product'))),
		navigation(),
		el('span', { class: 'grow' }),
		el('span', { class: 'mode', id: 'mode', role: 'status' }),
		el('button', { class: 'quiet', id: 'search-button', title: t('searchHint'), 'aria-keyshortcuts': '/', onclick: openSearch },
			t('search'), el('kbd', { 'aria-hidden': 'true' }, '/')),
		now, bell.button, languageButton(), themeButton(),
		el('form', { method: 'post', action: '/logout', class: 'inline' },
			el('input', { type: 'hidden', name: 'csrf', value: body.csrf }),
			el('span', { class: 'user' }, body.user),
			el('button', { class: 'quiet', id: 'logout' }, t('logout'))));
}

const banners = { box: document.getElementById('banners'), shown: '' };

function showBanners(list)
{
	const key = JSON.stringify(list);

	if (key === banners.shown)
		return;
	banners.shown = key;
	banners.box.replaceChildren(...list.map(([kind, text]) =>
		el('p', { class: 'banner ' + kind }, el('span', { 'aria-hidden': 'true' },
			kind === 'bad' ? '✖ ' : '▲ '), text)));
}

let lastStatus = null, mode = '';

function describe()
{
	const list = [], s = lastStatus;

	if (mode === 'offline')
		list.push(['bad', t('pageOffline')]);
	if (s && s.ingest.trouble && s.ingest.last > 0)
		list.push(['bad', t('journalTrouble', s.ingest.trouble)]);
	else if (s && s.ingest.silent)
		list.push(['bad', s.ingest.last > 0 ? t('ingestSilent', stamp(s.ingest.last)) : t('ingestNever')]);
	if (s && !s.alertd.up)
		list.push(['warn', t('alertdAway')]);
	showBanners(list);
}

function takeStatus(s)
{
	const counts = s.alertd.status && s.alertd.status.incidents;
	const n = counts ? (counts.open || 0) + (counts.handling || 0) + (counts.recovered || 0)
		+ (counts.review || 0) + (counts.hold || 0) : 0;

	lastStatus = s;
	setText(document.getElementById('nav-count'), n > 0 ? String(n) : '');
	describe();
}

function takeMode(m)
{
	const e = document.getElementById('mode');

	mode = m;
	e.dataset.mode = m;
	setText(e, t(m));
	describe();
}

head();
const page = pages[body.page](document.getElementById('main'));

follow({
	links: (l) => page.links && page.links(l),
	status: (s) => { takeStatus(s); if (page.status) page.status(s); },
	incident: (i) => { bell.hear(i); if (page.incident) page.incident(i); },
	reload: () => {
		api('status').then(takeStatus).catch(() => {});
		api('incidents').then((list) => bell.seed(list.incidents)).catch(() => {});
		if (page.reload)
			page.reload();
	},
	mode: takeMode,
});
