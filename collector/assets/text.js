// text.js - every sentence of the page, Chinese first, and the words of states and kinds.
const lang = document.documentElement.lang.startsWith('en') ? 1 : 0;

const sentences = {
	product: ['链路监控', 'LinkWatch'],
	wall: ['链路墙', 'Wall'],
	incidents: ['故障', 'Incidents'],
	agents: ['探针', 'Agents'],
	chains: ['链路段', 'Chains'], matrix: ['矩阵', 'Matrix'], pages: ['页面', 'Pages'],
	search: ['搜索', 'Search'], searchHint: ['搜索链路、探针、目标、云服务商、故障', 'Find links, agents, targets, vendors, incidents'],
	searchKeys: ['↑ ↓ 选择，回车打开，Esc 关闭', '↑ ↓ choose, Enter opens, Esc closes'],
	loading: ['正在读取…', 'Loading…'], nothingFound: ['没有找到', 'Nothing found'],
	found_incidents: ['故障', 'Incidents'], found_links: ['链路', 'Links'], found_agents: ['探针', 'Agents'],
	found_targets: ['目标', 'Targets'], found_vendors: ['云服务商', 'Vendors'],
	bell_on: ['声音开', 'Sound on'], bell_muted: ['已静音', 'Muted'], bell_blocked: ['启用声音', 'Sound on?'],
	bellHelp_on: ['新的一级故障会响铃；点击静音', 'A new P1 incident rings; press to mute'],
	bellHelp_muted: ['点击恢复声音', 'Press to unmute'],
	bellHelp_blocked: ['浏览器在有人点击之前不能发声；点击启用', 'Browsers are silent until somebody presses something: press here'],
	worstLinks: ['最差的链路', 'The worst links'],
	noZone: ['未分区', 'no zone'], colon: ['：', ': '],
	notTaken: ['{0} 个待受理，共 {1} 个', '{0} not acknowledged of {1}'], moreIncidents: ['另有 {0} 个 →', '{0} more →'],
	matrixFilter: ['筛选探针或目标', 'Filter agents or targets'], onlyIll: ['只看异常', 'Only what is not well'],
	matrixHelp: ['→ 探针到目标　← 目标到探针', '→ agent to target, ← target to agent'],
	matrixMore: ['显示 {1} 个探针中的 {0} 个、{3} 个目标中的 {2} 个；其余请用筛选。',
		'{0} of {1} agents and {2} of {3} targets are shown; filter to reach the others.'],
	otherTargets: ['其他目标', 'other targets'], otherHelp: ['只有一个探针监测的目标', 'targets that one agent alone watches'],
	agentToTarget: ['探针 ＼ 目标', 'agent \\ target'], fromTo: ['{0} → {1}', '{0} → {1}'],
	allVendors: ['全部云服务商', 'All vendors'],
	chainsHelp: ['从用户到应用，逐段判断断点', 'From the user to the application; breaks are located by segment'],
	unwatched: ['未设监测', 'not watched'], brokenHere: ['断点', 'BROKEN HERE'], maybeHere: ['疑似断点', 'POSSIBLY HERE'],
	owner: ['责任方：{0}', 'owner: {0}'], andMore: ['另有 {0} 条', '{0} more'],
	chainBroken: ['断在{0}', 'broken at {0}'], chainMaybe: ['疑似断在{0}', 'possibly broken at {0}'],
	noChains: ['没有定义链路段', 'No chains'],
	noChainsHint: ['在 links.yaml 的 chains 中定义服务，并给链路写上 chain 和 segment。',
		'Name services under chains in links.yaml and give links a chain and a segment.'],
	title_link: ['链路', 'link'],
	linksOfAgent: ['本探针的链路', 'Links of this agent'], agentIncidents: ['本探针的故障', 'Incidents of this agent'],
	health: ['运行状况', 'Health'], noHealth: ['还没有收到运行状况报告。', 'No report of its health has come yet.'],
	lastError: ['最近错误', 'last error'], noError: ['无', 'none'],
	clockOffset: ['时钟偏差', 'clock offset'], noSuchAgent: ['计划中没有这个探针', 'The plan has no such agent'],
	evidenceGraphs: ['证据图', 'Evidence graphs'], evidenceOf: ['{0}：{1}，{2} 至 {3}', '{0}: {1}, {2} to {3}'],
	act_hold: ['挂起', 'Hold'], act_resume: ['继续处理', 'Resume'], act_grade: ['定级', 'Set grade'], act_set: ['保存', 'Save'],
	newGrade: ['级别', 'grade'], conflictHint: ['他人刚刚更新了此故障，页面已刷新，请核对后重试。',
		'Somebody else has just changed this incident. It is shown as it is now: look again before you repeat.'],
	needed: ['必填', 'needed'],
	changedMeanwhile: ['故障在您填写时有了变化，请核对后再提交。', 'The incident has changed while you were typing: look again before you send.'],
	closeWhen: ['办结条件', 'Before it can be closed'],
	close_recovered: ['探测证明已恢复', 'the probes say it has recovered'], close_fields: ['必填项已填写', 'the fields are filled in'],
	yes: ['是', 'yes'], notYet: ['否', 'not yet'],
	admin: ['管理', 'Admin'], adminHelp: ['用户与令牌在主机上用 linkwatch-collector passwd、token 管理',
		'Users and tokens are changed on the host: linkwatch-collector passwd, token'],
	sessions: ['会话', 'Sessions'], users: ['用户', 'Users'], tokens: ['令牌', 'Tokens'], account: ['账号', 'account'],
	role: ['角色', 'role'], loggedIn: ['登录', 'logged in'], lastSeen: ['最近活动', 'last seen'], showOut: ['强制退出', 'End session'],
	yourSession: ['本会话', 'this session'], token: ['令牌', 'token'], expires: ['有效期至', 'good until'],
	lastUsed: ['最近使用', 'last used'], expiredAt: ['已于 {0} 过期', 'expired {0}'], none: ['无', 'none'],
	skip: ['跳到正文', 'Skip to content'],
	logout: ['退出', 'Log out'],
	live: ['实时', 'Live'],
	polling: ['轮询', 'Polling'],
	offline: ['已断开', 'Offline'],
	themeAuto: ['主题：自动', 'Theme: auto'],
	themeLight: ['主题：浅色', 'Theme: light'],
	themeDark: ['主题：深色', 'Theme: dark'],
	otherLang: ['English', '中文'],
	ingestSilent: ['采集端没有新数据：最后一条记录在 {0}。下面是当时的测量值。',
		'The collector takes in nothing: its last record is of {0}. What follows are the figures of that time.'],
	ingestNever: ['采集端还没有写入任何记录。', 'The collector has not recorded anything yet.'],
	journalTrouble: ['日志无法读取：{0}', 'The journal cannot be read: {0}'],
	alertdAway: ['告警服务未连接：显示最新测量值，但暂无状态判定和故障。',
		'The alert service is away: the latest figures are shown, but no verdicts and no incidents.'],
	pageOffline: ['与服务器的连接已断开，正在重试。', 'The connection to the server is lost; trying again.'],
	emptyPlan: ['计划中还没有链路。', 'The plan has no links yet.'],
	emptyPlanHint: ['在 links.yaml 中添加链路，然后执行 linkctl reload。',
		'Add links to links.yaml, then run linkctl reload.'],
	noSample: ['等待第一个样本', 'Waiting for the first sample'],
	noSampleHint: ['{0} 条链路已在计划中。探针连上后，第一个样本会在一个步长内出现，约一分钟后可看到图形。',
		'{0} links are planned. Once the agents connect, the first samples appear within a step, the first graphs within a minute.',
		'One link is planned. Once its agent connects, the first sample appears within a step, the first graph within a minute.'],
	openIncidents: ['未办结故障', 'Open incidents'],
	noIncidents: ['没有未办结的故障', 'No open incidents'],
	allLinks: ['全部链路', 'All links'],
	nLinks: ['{0} 条链路', '{0} links', '1 link'],
	loss: ['丢包', 'loss'],
	rtt: ['中位时延', 'median RTT'],
	minmax: ['最小 / 最大', 'min / max'],
	pdv: ['时延变化 PDV', 'variation PDV'],
	lossMinute: ['丢包率（近一分钟）', 'loss (last minute)'],
	lastSample: ['最近样本', 'last sample'],
	stale: ['数据陈旧', 'stale'],
	ago: ['{0}前', '{0} ago'],
	never: ['从未', 'never'],
	inbps: ['入', 'in'],
	outbps: ['出', 'out'],
	cpu: ['处理器', 'CPU'],
	mem: ['内存', 'memory'],
	storage: ['存储', 'storage'],
	port: ['端口', 'port'], portUp: ['● 通', '● up'], portNotUp: ['✖ 不通（{0}）', '✖ not up ({0})'],
	value: ['数值', 'value'],
	target: ['目标', 'target'],
	probe: ['探测方式', 'probe'],
	klass: ['等级', 'class'],
	vendor: ['云服务商', 'vendor'],
	zone: ['区域', 'zone'],
	chain: ['链路段', 'segment'],
	step: ['步长', 'step'],
	agent: ['探针', 'agent'],
	since: ['{0} 起', 'since {0}'],
	span1h: ['1 小时', '1 h'], span3h: ['3 小时', '3 h'], span1d: ['1 天', '1 day'], span3d: ['3 天', '3 days'],
	span1w: ['1 周', '1 week'], span1m: ['1 月', '1 month'], span3m: ['3 月', '3 months'], span1y: ['1 年', '1 year'],
	show_before: ['与上周比较', 'Compare with last week'], show_mirror: ['出方向向下', 'Out downwards'],
	show_reverse: ['双向对照', 'Both ways'], showOther: ['叠加 {0}', 'Draw {0} too'],
	copyAddress: ['复制报告地址 {0}', 'Address for reports, {0}'], address: ['图的地址', 'Address of the picture'],
	addressHelp: ['此图的固定地址，可放入报告或邮件，无需登录，到期失效',
		'A fixed address of this picture for a report or a mail: opens without log-in until it expires'],
	addressUntil: ['有效至 {0}', 'valid until {0}'], copied: ['已复制', 'copied'],
	zoomIn: ['放大', 'Zoom in'], zoomOut: ['缩小', 'Zoom out'],
	earlier: ['向前', 'Earlier'], later: ['向后', 'Later'], toNow: ['回到现在', 'Back to now'],
	graphHelp: ['鼠标：拖动放大，Shift＋拖动平移，Ctrl＋滚轮缩放，Shift＋滚轮平移，双击缩小。键盘：1–8 选择时段，+ − 缩放，← → 移动，'
		+ 'w 与上周比较，r 双向，m 出方向向下，Esc 回到现在。时间均为 UTC+8。',
	'Mouse: drag to zoom, Shift and drag to move, Ctrl and wheel to zoom, Shift and wheel to move, double click to zoom out. '
		+ 'Keys: 1-8 choose a span, + - zoom, ← → move, w last week, r both ways, m out downwards, Esc back to now. Times are UTC+8.'],
	graphOf: ['{0}：{1}，{2} 至 {3}', '{0}: {1}, {2} to {3}'],
	drawing: ['正在绘图…', 'Drawing…'],
	graph_rtt: ['往返时延（颜色表示丢包，灰带表示分布）', 'Round-trip time (colour: loss, bands: distribution)'],
	graph_loss: ['丢包率', 'Loss'],
	graph_pdv: ['时延变化', 'Delay variation'],
	graph_traffic: ['流量', 'Traffic'],
	graph_errors: ['错包与丢弃', 'Errors and discards'],
	graph_host: ['主机占用', 'Host load'],
	graph_oid: ['指定对象', 'Named objects'],
	graph_status: ['端口状态', 'Port state'],
	graph_tls: ['TLS 握手时间', 'TLS handshake time'],
	graph_cert: ['证书剩余天数', 'Days that the certificate has left'],
	linkIncidents: ['本链路的故障', 'Incidents of this link'],
	whyState: ['判定依据', 'Why this state'],
	figures: ['当前值', 'Now'],
	facts: ['基本信息', 'About this link'], agentFacts: ['基本信息', 'About this agent'],
	number: ['编号', 'No.'],
	grade: ['级别', 'grade'],
	state: ['状态', 'state'],
	title: ['故障', 'incident'],
	located: ['定位', 'located'],
	firstFail: ['开始', 'began'],
	opened: ['开单', 'opened'],
	acked: ['受理', 'acknowledged'],
	recovered: ['恢复', 'recovered'],
	closedAt: ['办结', 'closed'],
	lasted: ['历时', 'lasted'],
	handler: ['处理人', 'handler'],
	eta: ['预计恢复', 'expected end'],
	linksOf: ['涉及链路', 'links'],
	showOpen: ['未办结', 'Open'],
	showAll: ['全部', 'All'],
	nothingHere: ['没有故障', 'No incidents'],
	nothingHereHint: ['链路异常达到策略规定的条件时，会在这里出现。', 'They appear here when a link breaks a rule of the policy.'],
	timeline: ['处理过程', 'Time line'],
	messages: ['已发通知', 'Messages'],
	noMessages: ['没有发出通知', 'No message was sent'],
	evidence: ['异常与证据', 'Anomalies and evidence'],
	fields: ['定性与整改', 'Cause and measures'],
	missing: ['办结前须填写：{0}', 'Needed before closing: {0}'],
	comma: ['、', ', '], clause: ['，', ', '],
	actions: ['操作', 'Actions'],
	act_ack: ['受理', 'Acknowledge'], act_note: ['添加说明', 'Add a note'], act_close: ['办结', 'Close'],
	act_reopen: ['重新打开', 'Reopen'], act_cancel: ['撤销（误报）', 'Cancel (false alarm)'],
	note: ['说明', 'note'],
	etaHint: ['预计恢复时间 HH:MM', 'expected end HH:MM'],
	field_cause: ['原因类别', 'cause'], 'field_root-cause': ['根本原因', 'root cause'],
	field_responsible: ['责任单位', 'responsible unit'], field_measure: ['整改措施', 'measure'],
	'field_grade-final': ['最终级别', 'final grade'],
	done: ['已完成', 'Done'],
	failed: ['失败：{0}', 'Failed: {0}'],
	readOnly: ['只读账号：可以查看，不能操作。', 'This account may look but not act.'],
	connected: ['在线', 'connected'], disconnected: ['离线', 'not connected'], silent: ['无数据', 'silent'],
	unknown: ['未知', 'unknown'],
	version: ['版本', 'version'], address: ['地址', 'address'], lastBatch: ['最近批次', 'last batch'],
	nlinks: ['链路数', 'links'], refused: ['拒绝', 'refused'], spool: ['待传批次', 'spooled'],
	dropped: ['丢弃样本', 'dropped'], offset: ['时钟偏差', 'clock offset'], cert: ['证书剩余', 'certificate'],
	days: ['{0} 天', '{0} days', '1 day'],
	uptime: ['运行时间', 'running for'], planRevision: ['计划版本', 'plan revision'], samples: ['样本数', 'samples'],
	spooled: ['待传：批次 / 占用 / 上限', 'spooled: batches / bytes / limit'],
	loopLag: ['最大调度延迟', 'worst loop lag'], lateSends: ['晚发请求', 'late sends'],
	starved: ['自身原因未观测的周期', 'steps starved'], socketDrops: ['套接字丢包', 'socket drops'],
	foreign: ['伪造或外来应答', 'foreign replies'], duplicates: ['重复应答', 'duplicate replies'],
	lateReplies: ['迟到应答', 'late replies'], heldByCap: ['因速率上限未发', 'held back by the cap'],
	heldByList: ['因白名单未发', 'held back by the allow-list'],
	refusedBatches: ['被采集端拒收的批次', 'batches refused by the collector'],
	namesFailing: ['解析失败的名称', 'names that fail'], resolverFailures: ['解析失败次数', 'failed look-ups'],
	clockJumps: ['时钟跳变', 'clock jumps'], pingMode: ['ICMP 方式', 'ICMP by'], memory: ['内存', 'memory'],
	ping_raw: ['原始套接字', 'raw socket'], ping_ping: ['ping 套接字', 'ping socket'], ping_none: ['无', 'none'],
	tlsTime: ['TLS 握手', 'TLS handshake'], certLeft: ['服务证书剩余', 'certificate left'],
	certPast: ['✖ 已过期 {0} 天', '✖ expired {0} days ago', '✖ expired 1 day ago'],
	noAgents: ['计划中还没有探针。', 'The plan has no agents yet.'],
	recipient: ['对象', 'to'], channel: ['渠道', 'channel'], body: ['内容', 'text'], at: ['时间', 'time'],
	actor: ['人员', 'by'], attempts: ['次数', 'tries'],
	filter: ['筛选', 'Filter'],
	loadFailed: ['读取失败：{0}', 'Cannot load: {0}'],
	noVerdict: ['未判定', 'no verdict'],
	sparkOf: ['最近 {0} 步的中位时延', 'median RTT of the last {0} steps'],
	openWord: ['{0} 条', '{0}'],
};

export function t(key, ...args)
{
	const row = sentences[key];
	let s = row ? row[lang && row[2] && Number(args[0]) === 1 ? 2 : lang] : key;		// English of one, where it differs

	args.forEach((v, i) => { s = s.replace('{' + i + '}', v); });
	return s;
}

export const isEnglish = lang === 1;

// A name that exists in both languages: o.name_zh, o.name_en.
export function named(o, field)
{
	const own = o[field + (lang ? '_en' : '_zh')], other = o[field + (lang ? '_zh' : '_en')];

	return own || other || '';
}

// The name of a vendor out of the list that an answer carries.
export const vendorName = (list, id) => named((list || []).find((v) => v.id === id) || {}, 'name') || id;

// The name of a zone out of such a list; one that links.yaml does not name is its id.
export const zoneName = (list, id) => named((list || []).find((z) => z.id === id) || {}, 'name') || id;

const words = {
	up: ['正常', 'UP'], degraded: ['劣化', 'DEGRADED'], down: ['中断', 'DOWN'],
	planned: ['计划维护', 'PLANNED'], 'not-observed': ['未观测', 'NOT SEEN'],
	open: ['待受理', 'open'], handling: ['处理中', 'handling'], hold: ['挂起', 'on hold'],
	recovered: ['已恢复', 'recovered'], review: ['待复核', 'review'], closed: ['已办结', 'closed'],
	archived: ['已归档', 'archived'], cancelled: ['已撤销', 'cancelled'], merged: ['已并单', 'merged'],
	loss: ['丢包', 'loss'], latency: ['时延升高', 'latency'], variation: ['时延抖动', 'variation'],
	service: ['服务拒绝', 'service'], utilisation: ['利用率高', 'utilisation'], errors: ['错包', 'errors'],
	silent: ['无数据', 'silent'], clock: ['时钟', 'clock'], self: ['监测自身', 'monitor'],
	user: ['用户侧', 'user'], access: ['接入线路', 'access line'], extranet: ['政务外网', 'extranet'],
	edge: ['云边界', 'cloud edge'], vpc: ['云内网络', 'VPC'], host: ['主机', 'host'], app: ['应用', 'application'],
	timeout: ['超时', 'timeout'], refused: ['被拒绝', 'refused'], 'net-unreachable': ['网络不可达', 'net unreachable'],
	'host-unreachable': ['主机不可达', 'host unreachable'], 'port-unreachable': ['端口不可达', 'port unreachable'],
	tls: ['TLS 握手失败', 'no TLS'], resolve: ['域名无法解析', 'name not resolved'], 'not-sent': ['未发出', 'not sent'],
	pending: ['等待', 'pending'], sent: ['已发送', 'sent'], delivered: ['已送达', 'delivered'],
	failed: ['失败', 'failed'], unknown: ['结果不明', 'unknown'], expired: ['已过期', 'expired'],
	icmp: ['ICMP', 'ICMP'], tcp: ['TCP', 'TCP'], snmp: ['SNMP', 'SNMP'],
	critical: ['紧急', 'critical'], major: ['重要', 'major'], minor: ['次要', 'minor'], info: ['提示', 'info'],
	ack: ['受理', 'acknowledged'], recover: ['恢复', 'recovered'], relapse: ['复发', 'relapsed'],
	grade: ['级别变化', 'grade'], close: ['办结', 'closed'], reopen: ['重新打开', 'reopened'],
	cancel: ['撤销', 'cancelled'], note: ['说明', 'note'], remind: ['催办', 'reminder'],
	escalate: ['升级通知', 'escalation'], raise: ['级别上升', 'raised'], set: ['填写', 'set'],
	tell: ['通知', 'told'], merge: ['并单', 'merged'], flap: ['反复', 'flapping'], retry: ['重试', 'retry'],
	resume: ['继续处理', 'resumed'], suppress: ['未通知', 'not told'], defer: ['暂缓通知', 'deferred'],
	undelivered: ['未送达', 'not delivered'], join: ['并入', 'joined'], gone: ['撤出计划', 'left the plan'],
	evidence: ['证据', 'evidence'], flapping: ['反复通断', 'flapping'], verdict: ['抖动结论', 'verdict'],
	overdue: ['超时未恢复', 'overdue'], lapse: ['预计恢复已过', 'lapsed'],
	'ack-broken': ['须重新受理', 'acknowledgement withdrawn'], archive: ['归档', 'archived'], past: ['补报', 'past'],
	sending: ['发送中', 'sending'], system: ['系统', 'system'], operator: ['值班员', 'operator'],
	admin: ['管理员', 'admin'], vendor: ['云服务商', 'vendor'], viewer: ['只读', 'viewer'], web: ['页面', 'page'],
};

export const segments = ['', 'user', 'access', 'extranet', 'edge', 'vpc', 'host', 'app'];

// "segment 3", "ambiguous: 3 or 4" with the words of the segments.
export function located(s)
{
	const one = /^segment (\d)$/.exec(s || ''), two = /^ambiguous: (.*)$/.exec(s || '');
	const name = (n) => word(segments[Number(n)]);

	if (one)
		return name(one[1]);
	if (two)
		return two[1].replace(/\d/g, name).replace(/ or /g, lang ? ' or ' : '或') + (lang ? ' (unclear)' : '（不确定）');
	return s || '';
}

// The word people read for a key word of the programs.
export function word(key)
{
	return words[key] ? words[key][lang] : (key || '');
}

export const gradeWord = (g) => (['—', '一级', '二级', '三级', '四级'][g] || '—') === '—' ? '—'
	: (lang ? 'P' + g : ['—', '一级', '二级', '三级', '四级'][g]);

// What a line of the time line says happened: "open" is a deed there, not a state.
export const deed = (what) => what === 'open' ? (lang ? 'opened' : '开单') : word(what);

// What alertd writes into the time line by itself, in Chinese.
const notes = {
	'by policy, as it lasts': '按策略，因持续时间', 'set by a person': '人工定级',
	'the recovery limit expired': '已超恢复时限', 'the grade rose': '级别已上升',
	'the promised end has passed': '预计恢复时间已过', 'quiet hours': '免打扰时段',
	'up and down again and again': '反复中断与恢复', 'stays down': '持续中断', 'stays up': '持续正常',
	'nobody to tell': '没有通知对象', 'over before it could be told': '通知前已恢复',
	'left to the daily digest': '留待日报', 'told in the summary of the storm': '已在告警汇总中通知',
	'within planned maintenance': '在计划维护时段内', 'never heard': '从未上报',
	'connected, but sends nothing': '已连接，但没有数据', 'session ended': '连接已断开',
};

// The note of a line of the time line of an incident; what a person wrote stands as it is.
export function noted(e, incident)
{
	const told = /^([a-z]+): (.*)$/.exec(e.note || '');

	if (e.what === 'set')
		return sentences['field_' + e.note] ? t('field_' + e.note) : e.note;
	if (told && (e.what === 'tell' || e.what === 'suppress'))
		return deed(told[1]) + (lang ? ': ' : '：') + (told[2] === 'muted' && !lang ? '通知暂停' : told[2]);
	if (e.role !== 'system')
		return e.note;
	if (e.what === 'open' && e.note === incident.title_en)
		return named(incident, 'title');
	return lang ? e.note : notes[e.note] || e.note;
}

// Categories of causes, by number.
export const causes = [
	[101, '光缆/线路中断', 'cable or line cut'], [102, '传输设备', 'transmission equipment'],
	[103, '运营商割接', "carrier's works"], [201, '路由/交换设备', 'router or switch'],
	[202, '防火墙/负载均衡/WAF', 'firewall, load balancer, WAF'], [203, 'DNS', 'DNS'],
	[204, '证书', 'certificate'], [301, '云平台网络', 'cloud network (SDN, VPC)'],
	[302, '宿主机/存储', 'host or storage'], [303, '容量不足/拥塞', 'capacity, congestion'],
	[401, '配置变更失误', 'faulty change'], [402, '软件缺陷', 'software defect'],
	[403, '未报备变更', 'unannounced change'], [501, '应用/数据库', 'application or database'],
	[502, '用户侧', "user's side"], [601, '电力/环境', 'power, environment'],
	[602, '攻击/安全', 'attack, security'], [701, '不可抗力', 'force majeure'],
	[801, '监测系统自身', 'the monitor itself'], [901, '不明', 'unknown'],
].map(([code, zh, en]) => ({ code, text: code + ' ' + (lang ? en : zh) }));
