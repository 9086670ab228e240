#!/bin/sh
# versions.sh SUITE...: the demo on the Postfix of other Debian suites.
#
# For each suite: download its Postfix with what it needs into a folder of its
# own, unpack it there without running any package script, and run the demo in
# a network and a process table of its own. The demo ends with 0 only if the
# plan was applied, proved by handshakes, and a second run found nothing to do.
# Then the matrix of TLS levels must be the one that is in the tests, and the posture
# what this Postfix does (CONFIGURATIONS=3, SEED=1).
# Needs root. Nothing is installed on this machine.
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d /tmp/postseal-versions.XXXXXX)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
chmod 755 "$work"

# What Postfix runs beside itself: its scripts use these without depending on them.
packages="postfix dash coreutils sed grep findutils mawk libc-bin diffutils perl-base base-files base-passwd openssl ca-certificates"

# fetch SUITE: download into $state/cache/archives.
fetch() {
	mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
	: >"$state/status" # nothing is installed: everything is downloaded
	mirror=$(sed -n 's/^deb *\(\[.*\] *\)\{0,1\}\(http[^ ]*\/debian\) .*/\2/p; s/^URIs: *\(http[^ ]*\/debian\)$/\1/p' \
		/etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -n 1)
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror:?no Debian mirror in /etc/apt} $1 main" >"$state/sources.list"
	cat >"$state/apt.conf" <<-END
		Dir::Etc::sourcelist "$state/sources.list";
		Dir::Etc::sourceparts "/dev/null";
		Dir::Etc::preferencesparts "/dev/null";
		Dir::State::Lists "$state/lists";
		Dir::State::status "$state/status";
		Dir::Cache "$state/cache";
		Acquire::Check-Valid-Until "false";
		APT::Sandbox::User "root";
	END
	APT_CONFIG=$state/apt.conf apt-get -qq update
	# shellcheck disable=SC2086 # a list of names
	APT_CONFIG=$state/apt.conf apt-get -qq -y --no-install-recommends --download-only install $packages >/dev/null
}

# unpack: what the packages hold, and the little of their scripts that counts.
unpack() {
	mkdir -p "$root"
	cd "$root"
	mkdir -p usr/bin usr/sbin usr/lib usr/lib64
	for x in bin sbin lib lib64; do ln -sfn "usr/$x" "$x"; done
	for f in "$state"/cache/archives/*.deb; do
		dpkg-deb --fsys-tarfile "$f" | tar -xpf - --keep-directory-symlink
	done
	printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/nonexistent:/bin/false\npostfix:x:970:970::/var/spool/postfix:/bin/false\n' >etc/passwd
	printf 'root:x:0:\nmail:x:8:\nnogroup:x:65534:\npostfix:x:970:\npostdrop:x:971:\n' >etc/group
	printf 'hosts: files dns\npasswd: files\ngroup: files\n' >etc/nsswitch.conf
	echo '127.0.0.1 localhost' >etc/hosts
	echo 'nameserver 127.0.0.1' >etc/resolv.conf
	[ -e usr/bin/sh ] || ln -s dash usr/bin/sh
	[ -e usr/bin/awk ] || ln -s mawk usr/bin/awk
	mkdir -p dev proc tmp root
	chmod 1777 tmp
	for d in 'null 3' 'random 8' 'urandom 9'; do
		# shellcheck disable=SC2086 # a name and a number
		set -- $d
		[ -e "dev/$1" ] || mknod -m 666 "dev/$1" c 1 "$2"
	done
	chroot . /sbin/ldconfig
	: >etc/postfix/main.cf
	[ -e etc/postfix/master.cf ] || cp usr/share/postfix/master.cf.dist etc/postfix/master.cf
	cat usr/share/ca-certificates/mozilla/*.crt >etc/ssl/certs/ca-certificates.crt
	cd "$here"
}

# matrix: what each level does with each kind of server, as letters, from the
# words that postseal prints.
matrix='mkdir -p /tmp/c && cd /tmp &&
printf "compatibility_level = 2\nsmtp_tls_security_level = may\nsmtp_tls_mandatory_protocols = !SSLv2, !SSLv3, !TLSv1, !TLSv1.1\nsmtp_tls_CAfile = /etc/ssl/certs/ca-certificates.crt\n" >c/main.cf &&
printf "smtp unix - - y - - smtp\n" >c/master.cf &&
COLUMNS=200 postseal rehearse --current --matrix --assume-dnssec --config-dir /tmp/c --state-dir /tmp/s | sed -n "2,19p" |
sed -e "s/ proof/ v/g; s/ TLS/ e/g; s/ clear/ c/g; s/ later/ f/g; s/ held/ h/g" -e "s/  */ /g; s/ $//"'

# posture: what this Postfix does against what postseal says that it does, for so many
# generated configurations.
(cd "$here" && CGO_ENABLED=0 go test -c -o "$work/posture.test" ./internal/posture)
posture='mount -t proc proc "$1/proc" && ip link set lo up && exec chroot "$1" /usr/bin/env -C /tmp CI=1 \
	/usr/bin/posture.test -test.v -test.run "TestListeners$|TestScreens$|TestRoutes$" -configurations "$2" -seed "$3"'

for suite; do
	state=$work/$suite.state root=$work/$suite
	fetch "$suite"
	unpack >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
	cp "$here/postseal" "$work/posture.test" "$root/usr/bin/"
	# shellcheck disable=SC2016 # expanded by the inner shell
	if timeout 120 unshare --net --mount --pid --fork --kill-child sh -c \
		'mount -t proc proc "$1/proc" && ip link set lo up && exec chroot "$1" postseal demo' sh "$root" </dev/null >"$work/log" 2>&1; then
		timeout 120 unshare --net --mount --pid --uts --fork --kill-child sh -c \
			'mount -t proc proc "$1/proc" && ip link set lo up && hostname mx && exec chroot "$1" sh -c "$2"' sh "$root" "$matrix" >"$work/matrix"
		sed -n 's/  */ /g; /^[a-z0-9-]* [cefhv] /p' "$here/internal/rehearse/testdata/truth.txt" | diff - "$work/matrix" ||
			{ echo "FAIL  $suite  another matrix"; exit 1; }
		timeout 1200 unshare --net --mount --pid --fork --kill-child sh -c "$posture" sh "$root" "${CONFIGURATIONS:-3}" "${SEED:-1}" >"$work/log" 2>&1 ||
			{ cat "$work/log"; echo "FAIL  $suite  another posture"; exit 1; }
		grep -o '[0-9]* [a-z]* of [0-9]* configurations of Postfix.*' "$work/log"
		echo "ok    $suite  $(chroot "$root" postconf mail_version)"
	else
		cat "$work/log"
		echo "FAIL  $suite  $(chroot "$root" postconf mail_version)"
		exit 1
	fi
done
