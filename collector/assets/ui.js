// ui.js - elements, figures, times, requests.  Text enters the page as text only.
import { t, isEnglish, word } from './text.js';

export function el(tag, attrs, ...children)
{
	const e = document.createElement(tag);

	for (const [k, v] of Object.entries(attrs || {})) {
		if (k.startsWith('on'))
			e.addEventListener(k.slice(2), v);
		else if (v === true)
			e.setAttribute(k, '');
		else if (v !== false && v !== null && v !== undefined)
			e.setAttribute(k, v);
	}
	e.append(...children.filter((c) => c !== null && c !== undefined && c !== false));
	return e;
}

export function setText(e, s)
{
	if (e.textContent !== s)
		e.textContent = s;
}

export const body = document.body.dataset;

// ---------------------------------------------------------------- times, UTC+8 everywhere
const shift = (s) => new Date((s + 8 * 3600) * 1000).toISOString();

export const clock = (s) => shift(s).slice(11, 19);
export const stamp = (s) => s > 0 ? shift(s).slice(0, 19).replace('T', ' ') : '—';
// 01-15 08:31:07
export const dayStamp = (s) => s > 0 ? shift(s).slice(5, 19).replace('T', ' ') : '—';
export const shortStamp = (s) => s > 0 ? shift(s).slice(5, 16).replace('T', ' ') : '—';

export function duration(s)
{
	const parts = isEnglish ? [' d', ' h', ' min', ' s'] : [' 天', ' 小时', ' 分', ' 秒'];
	const d = Math.floor(s / 86400), h = Math.floor(s % 86400 / 3600), m = Math.floor(s % 3600 / 60);

	if (d > 0)
		return d + parts[0] + (h ? ' ' + h + parts[1] : '');
	if (h > 0)
		return h + parts[1] + (m ? ' ' + m + parts[2] : '');
	if (m > 0)
		return m + parts[2];
	return Math.max(0, Math.floor(s)) + parts[3];
}

export const ago = (now, s) => s > 0 ? t('ago', duration(now - s)) : t('never');

// ---------------------------------------------------------------- figures
export function ms(v)
{
	if (v === null || v === undefined)
		return '—';
	return (v < 0.1 ? v.toFixed(3) : v < 1 ? v.toFixed(2) : v < 100 ? v.toFixed(1) : v.toFixed(0)) + ' ms';
}

export function percent(v)
{
	if (v === null || v === undefined)
		return '—';
	const p = v * 100;

	return (p === 0 || p === 100 ? p.toFixed(0) : p < 0.1 ? p.toFixed(3) : p < 10 ? p.toFixed(2)
		: p.toFixed(1)) + '%';
}

export function scaled(v, unit)
{
	const names = ['', 'k', 'M', 'G', 'T'];
	let i = 0;

	if (v === null || v === undefined)
		return '—';
	while (Math.abs(v) >= 1000 && i < 4) {
		v /= 1000;
		i++;
	}
	return (v === 0 ? '0' : v < 10 ? v.toFixed(2) : v < 100 ? v.toFixed(1) : v.toFixed(0)) + ' '
		+ names[i] + unit;
}

// ---------------------------------------------------------------- states: a shape, a word, a colour
export const shapes = { up: '●', degraded: '▲', down: '✖', planned: '◆', 'not-observed': '○', none: '◌' };

export function stateBadge(state)
{
	const e = el('span', { class: 'badge' });

	setState(e, state);
	return e;
}

export function setState(e, state)
{
	const key = state || 'none';

	if (e.dataset.state === key)
		return;
	e.dataset.state = key;
	e.replaceChildren(el('span', { 'aria-hidden': 'true' }, shapes[key] + ' '),
		state ? word(state) : t('noVerdict'));
}

// ---------------------------------------------------------------- requests
const WAIT_MS = 12000;			// a server that accepts and says nothing is as good as gone
const flying = new Map();

// The answer of GET /api/PATH; who asks for the same while it is under way shares it.
export function api(path)
{
	if (!flying.has(path))
		flying.set(path, fetch('/api/' + path, { headers: { Accept: 'application/json' },
			signal: AbortSignal.timeout(WAIT_MS) }).then(answer)
			.finally(() => flying.delete(path)));
	return flying.get(path);
}

export async function post(path, form)
{
	return answer(await fetch('/api/' + path, {
		method: 'POST',
		headers: { 'X-CSRF-Token': body.csrf, 'Content-Type': 'application/x-www-form-urlencoded' },
		body: new URLSearchParams(form),
	}));
}

export function toLogin()
{
	location.assign('/login?next=' + encodeURIComponent(location.pathname + location.search));
}

async function answer(r)
{
	let json = null;

	if (r.status === 401) {
		toLogin();
		return new Promise(() => {});
	}
	try {
		json = await r.json();
	} catch (e) {
		throw new Error('HTTP ' + r.status);
	}
	if (!r.ok)
		throw Object.assign(new Error(json.error ? (isEnglish ? json.error.en : json.error.zh) : 'HTTP ' + r.status),
			{ code: json.error ? json.error.code : '' });
	return json;
}

export function setCookie(name, value)
{
	document.cookie = name + '=' + value + '; Path=/; Max-Age=31536000; SameSite=Strict; Secure';
}

export function emptyState(title, hint)
{
	return el('div', { class: 'empty' }, el('p', { class: 'empty-title' }, title),
		hint ? el('p', { class: 'muted' }, hint) : null);
}

export function isDark()
{
	const theme = document.documentElement.dataset.theme;

	return theme === 'dark' ||
		(theme !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
}
