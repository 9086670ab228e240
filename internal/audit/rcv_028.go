package audit

import "fmt"

var rcv028 = Rule{
	ID: "PS-RCV-028", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "the primes of the key exchange are too short",
	Why:    "A key exchange over fewer than 2048 bits can be broken by a large organisation, and many who do not know the group refuse it.",
	Level:  Must,
	Source: "RFC 9325 section 4.5; NCSC-NL 2025-05: insufficient",
	Cure:   drop("smtpd_tls_dh1024_param_file"),
	Check: live(func(e *Evidence, l Live) string {
		least := 0
		for _, s := range l.suites {
			if s.DHBits > 0 && !s.Anonymous() && (least == 0 || s.DHBits < least) {
				least = s.DHBits
			}
		}
		if least == 0 || least >= 2048 {
			return ""
		}
		return fmt.Sprintf("uses a prime of %d bits", least)
	}),
}
