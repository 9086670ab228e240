package wizard

// glossary are the words that an administrator who rarely meets TLS may lack, in the order
// of the alphabet.
var glossary = [][2]string{
	{"ACME", "the protocol by which a CA issues and renews certificates without a person (RFC 8555)"},
	{"CA", "certification authority: it signs certificates, and peers trust what it signed"},
	{"CAA", "a DNS record that names the CAs that may issue for a domain (RFC 8659)"},
	{"chain", "a certificate with the intermediate certificates up to a root that peers trust"},
	{"cipher suite", "the algorithms that a connection is encrypted with"},
	{"cleartext", "not encrypted: readable by everybody on the network path"},
	{"client certificate", "a certificate that the sending side shows; few receivers ask for one"},
	{"DANE", "senders authenticate a mail server by its TLSA record, and not by a CA (RFC 7672); it needs DNSSEC"},
	{"DNSSEC", "signatures in DNS, so that a resolver can tell a real answer from a forged one"},
	{"downgrade", "an attacker on the network path removes the offer of TLS, and mail goes in cleartext"},
	{"forward secrecy", "whoever steals the key later cannot read what was recorded before"},
	{"handshake", "the beginning of a TLS connection: version, algorithms and certificate"},
	{"implicit TLS", "TLS from the first byte, without STARTTLS; port 465 (RFC 8314)"},
	{"level", "what Postfix does about TLS: none, may (if offered), encrypt (required), dane, verify, secure"},
	{"listener", "a service of master.cf that accepts connections, such as port 25"},
	{"MTA-STS", "a domain says by DNS and HTTPS that mail to it must be encrypted (RFC 8461)"},
	{"MX", "the DNS record that names the mail servers of a domain"},
	{"opportunistic TLS", "encrypt if the other side offers it, and else deliver in cleartext"},
	{"roll-over", "the change from one key to the next, with TLSA records of both for a while"},
	{"SNI", "the name that a client asks for in the handshake; a server may choose a certificate by it"},
	{"STARTTLS", "the command that turns a cleartext SMTP connection into an encrypted one (RFC 3207)"},
	{"TLSA", "the DNS record of DANE: the digest of the key or certificate that a server shows"},
	{"TLSRPT", "daily reports of senders that could not deliver with TLS (RFC 8460)"},
}

// glossaryLines are the words of the house for the help.
func glossaryLines() (out []string) {
	for _, g := range glossary {
		out = append(out, g[0]+"\t"+g[1])
	}
	return out
}
