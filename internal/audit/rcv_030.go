package audit

var rcv030 = Rule{
	ID: "PS-RCV-030", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "TLS compression is on",
	Why:    "What is encrypted can be guessed from its length.",
	Level:  Should,
	Source: "RFC 9325 section 3.3: SHOULD NOT; CVE-2012-4929",
	Cure:   set("tls_ssl_options", "NO_COMPRESSION"),
	Check: live(func(e *Evidence, l Live) string {
		if l.Seen != nil && l.Seen.Compressed {
			return "agrees to DEFLATE"
		}
		return ""
	}),
}
