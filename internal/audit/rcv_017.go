package audit

var rcv017 = Rule{
	ID: "PS-RCV-017", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "a list of suites is written by hand",
	Why:    "It counts for sending too, and grows old: Postfix and OpenSSL keep theirs up to date.",
	Level:  Should,
	Source: "postconf(5), tls_medium_cipherlist: you are strongly encouraged not to change it",
	Cure:   drop("tls_medium_cipherlist", "tls_high_cipherlist"),
	Check: when(always, func(f *Evidence) []Hit {
		var out []Hit
		for _, name := range []string{"tls_high_cipherlist", "tls_medium_cipherlist", "tls_low_cipherlist", "tls_export_cipherlist", "tls_null_cipherlist"} {
			if v := f.Config.Value(nil, name); v.Set {
				out = append(out, Hit{Detail: name + " is set", At: v.Origin})
			}
		}
		return out
	}),
}
