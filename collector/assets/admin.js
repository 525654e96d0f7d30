// admin.js - for administrators: who is logged in, and may be shown out; who may come in, people and programs.
import { t, word, vendorName } from './text.js';
import { el, api, post, stamp, duration, emptyState } from './ui.js';

// A card with a table: heads are keys of text.js, rows lists of cells.
function tableOf(key, heads, rows, none)
{
	return el('section', { class: 'card scroll', id: 'admin-' + key }, el('h2', {}, t(key)), rows.length === 0
		? el('p', { class: 'muted' }, t(none)) : el('table', { class: 'list' },
			el('thead', {}, el('tr', {}, ...heads.map((h) => el('th', { scope: 'col' }, h ? t(h) : '')))),
			el('tbody', {}, ...rows.map((cells) => el('tr', {}, ...cells.map((c) => el('td', {}, c)))))));
}

export function adminPage(main)
{
	const says = el('p', { role: 'status' }), box = el('div', {});
	let vendors = [];

	document.title = t('admin') + ' - ' + t('product');
	main.append(el('div', { class: 'page-head' }, el('h1', {}, t('admin')), el('span', { class: 'muted' }, t('adminHelp'))), says, box);

	const role = (x) => word(x.role) + (x.vendor ? ' · ' + vendorName(vendors, x.vendor) : '');

	async function end(s)
	{
		try {
			await post('session/' + s.id + '/end', {});
			says.textContent = t('done');
		} catch (e) {
			says.textContent = t('failed', e.message);
		}
		reload();
	}

	function outButton(s)
	{
		return s.own ? t('yourSession') : el('button', { class: 'small', 'data-end': s.id,
			'aria-label': t('showOut') + ' ' + s.user, onclick: () => end(s) }, t('showOut'));
	}

	async function reload()
	{
		try {
			const [who, sessions, tokens, links] = await Promise.all([api('users'), api('sessions'), api('tokens'), api('agents')]);
			const now = Date.now() / 1000;

			vendors = links.vendors;
			box.replaceChildren(
				tableOf('sessions', ['account', 'role', 'loggedIn', 'lastSeen', ''], sessions.sessions.map((s) => [s.user, role(s),
					t('ago', duration(s.opened_s)), t('ago', duration(s.idle_s)), outButton(s)]), 'none'),
				tableOf('users', ['account', 'role', 'sessions'], who.users.map((u) => [u.user, role(u), String(u.sessions)]), 'none'),
				tableOf('tokens', ['token', 'role', 'expires', 'lastUsed'], tokens.tokens.map((k) => [k.name, role(k),
					k.expired || k.expires < now ? el('span', { class: 'warn' }, '✖ ' + t('expiredAt', stamp(k.expires))) : stamp(k.expires),
					k.used > 0 ? stamp(k.used) : t('never')]), 'none'));
		} catch (e) {
			box.replaceChildren(emptyState(t('loadFailed', e.message)));
		}
	}

	return { reload };
}
