#!/bin/bash
# pki.sh - a small certificate authority for LinkWatch, with the openssl program.
#
#   conf/pki.sh DIR ca                     the authority itself
#   conf/pki.sh DIR agent ID               for linkwatch-agent     (client)
#   conf/pki.sh DIR alertd ID              for linkwatch-alertd    (client)
#   conf/pki.sh DIR collector ID [NAME...] for linkwatch-collector (server)
#   conf/pki.sh DIR web NAME...            for the page            (server)
#   conf/pki.sh DIR revoke ROLE-ID         adds the certificate to crl.pem
#
# Makes DIR/ROLE-ID.pem and .key (web: web.pem, web.key), DIR/ca.pem, DIR/crl.pem.
# A peer is who its SAN URI says: linkwatch://ROLE/ID.  NAMEs are DNS names or IP
# addresses.  What stands and is good for another 30 days is left alone; a key is
# never made anew.  Keys: P-256, readable by their owner only.
#
#   START, END    in the environment, YYYYMMDDHHMMSSZ: other dates than now and two
#                 years on (ten for the authority)
set -euo pipefail
umask 077

die() { echo "pki.sh: $*" >&2; exit 1; }
usage() { sed -n '4,9s/^# *//p' "$0" >&2; exit 2; }

valid_id() { [[ $1 =~ ^[a-z0-9][a-z0-9-]{0,62}$ ]] || die "'$1' is no id: a-z, 0-9 and '-', at most 63"; }

# The configuration of `openssl ca`; $1 is the subjectAltName.
config() {
	cat <<-END
		[ca]
		default_ca = linkwatch
		[linkwatch]
		database = $dir/ca.index
		serial = $dir/ca.serial
		new_certs_dir = $dir/issued
		certificate = $dir/ca.pem
		private_key = $dir/ca.key
		default_md = sha256
		default_crl_days = 3650
		policy = policy
		unique_subject = no
		[policy]
		commonName = supplied
		[req]
		distinguished_name = dn
		prompt = no
		[dn]
		CN = $2
		[authority]
		basicConstraints = critical, CA:true, pathlen:0
		keyUsage = critical, keyCertSign, cRLSign
		subjectKeyIdentifier = hash
		[client]
		basicConstraints = critical, CA:false
		keyUsage = critical, digitalSignature
		extendedKeyUsage = clientAuth
		subjectKeyIdentifier = hash
		authorityKeyIdentifier = keyid
		subjectAltName = ${1:-URI:none}
		[server]
		basicConstraints = critical, CA:false
		keyUsage = critical, digitalSignature
		extendedKeyUsage = serverAuth
		subjectKeyIdentifier = hash
		authorityKeyIdentifier = keyid
		subjectAltName = ${1:-URI:none}
	END
}

# Is $1 a certificate that is good for another 30 days?
stands() { [ -s "$1" ] && openssl x509 -in "$1" -noout -checkend 2592000 >/dev/null 2>&1; }

make_key() {
	[ -s "$1" ] || openssl ecparam -name prime256v1 -genkey -noout -out "$1"
}

# Runs openssl quietly; its words come out only when it fails.
run() {
	openssl "$@" 2>"$tmp/err" >"$tmp/out" || { cat "$tmp/err" >&2; die "openssl $1 failed"; }
}

make_crl() {
	run ca -config "$tmp/conf" -gencrl -out "$tmp/crl"
	mv "$tmp/crl" "$dir/crl.pem"
	chmod 644 "$dir/crl.pem"
}

make_ca() {
	stands "$dir/ca.pem" && return
	mkdir -p "$dir/issued"
	make_key "$dir/ca.key"
	touch "$dir/ca.index"
	[ -s "$dir/ca.serial" ] || openssl rand -hex 16 | sed 's/^./4/' >"$dir/ca.serial"
	config "" "LinkWatch CA" >"$tmp/conf"
	run req -new -config "$tmp/conf" -key "$dir/ca.key" -out "$tmp/csr"
	run ca -batch -notext -config "$tmp/conf" -selfsign -extensions authority -in "$tmp/csr" \
	    -keyfile "$dir/ca.key" -out "$tmp/pem" -startdate "$start" -enddate "${END:-$(years 10)}"
	publish ca
	make_crl
}

# A certificate appears whole or not at all.
publish() {
	chmod 644 "$tmp/pem"
	mv "$tmp/pem" "$dir/$1.pem"
}

# issue FILE KIND CN SAN: KIND is client or server
issue() {
	stands "$dir/$1.pem" && return
	make_key "$dir/$1.key"
	config "$4" "$3" >"$tmp/conf"
	run req -new -config "$tmp/conf" -key "$dir/$1.key" -out "$tmp/csr"
	run ca -batch -notext -config "$tmp/conf" -extensions "$2" -in "$tmp/csr" \
	    -out "$tmp/pem" -startdate "$start" -enddate "${END:-$(years 2)}"
	publish "$1"
}

revoke() {
	[ -s "$dir/$1.pem" ] || die "$dir/$1.pem: no such certificate"
	config "" "LinkWatch CA" >"$tmp/conf"
	run ca -config "$tmp/conf" -revoke "$dir/$1.pem"
	make_crl
}

# NAMEs as a list of subjectAltNames, each with a comma before it.
names() {
	local name
	for name; do
		case $name in
		*[!0-9a-zA-Z.:-]*|'') die "'$name' is neither a host name nor an address" ;;
		*:*) printf ',IP:%s' "$name" ;;
		*[!0-9.]*) printf ',DNS:%s' "$name" ;;
		*) printf ',IP:%s' "$name" ;;
		esac
	done
}

years() { date -u -d "+$1 years" +%Y%m%d%H%M%SZ; }

[ $# -ge 2 ] || usage
dir=$1 role=$2
shift 2
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
start=${START:-$(date -u -d '-1 hour' +%Y%m%d%H%M%SZ)}

# One at a time: the authority's serial and index are files.
exec 9>"$dir/.lock"
flock 9

case $role in
ca) [ $# -eq 0 ] || usage; make_ca ;;
agent|alertd)
	[ $# -eq 1 ] || usage
	valid_id "$1"
	make_ca
	issue "$role-$1" client "$1" "URI:linkwatch://$role/$1" ;;
collector)
	[ $# -ge 1 ] || usage
	valid_id "$1"
	make_ca
	san=$(names "${@:2}")
	issue "$role-$1" server "$1" "URI:linkwatch://$role/$1$san" ;;
web)
	[ $# -ge 1 ] || usage
	make_ca
	san=$(names "$@")
	issue web server "$1" "${san#,}" ;;
revoke) [ $# -eq 1 ] || usage; revoke "$1" ;;
*) usage ;;
esac
