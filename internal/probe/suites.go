package probe

import (
	"slices"
	"strings"
)

// Suite is a cipher suite (IANA, "TLS Cipher Suites").
type Suite struct {
	ID uint16 `json:"id"`
	// Name is the one that IANA registers, OpenSSL the one that Postfix logs.
	Name    string `json:"name"`
	OpenSSL string `json:"openssl"`
}

// suites are all that a mail server of any age could take: no suites for keys
// or passwords that both sides have beforehand (PSK, SRP), which SMTP has not.
// What OpenSSL 3 still has is as openssl ciphers -V prints it. ChaCha20 stands at
// neither end: some servers that choose by themselves follow a client that begins
// with it (SSL_OP_PRIORITIZE_CHACHA).
var suites = []Suite{
	{0x0001, "TLS_RSA_WITH_NULL_MD5", "NULL-MD5"},
	{0x0002, "TLS_RSA_WITH_NULL_SHA", "NULL-SHA"},
	{0x0003, "TLS_RSA_EXPORT_WITH_RC4_40_MD5", "EXP-RC4-MD5"},
	{0x0004, "TLS_RSA_WITH_RC4_128_MD5", "RC4-MD5"},
	{0x0005, "TLS_RSA_WITH_RC4_128_SHA", "RC4-SHA"},
	{0x0006, "TLS_RSA_EXPORT_WITH_RC2_CBC_40_MD5", "EXP-RC2-CBC-MD5"},
	{0x0007, "TLS_RSA_WITH_IDEA_CBC_SHA", "IDEA-CBC-SHA"},
	{0x0008, "TLS_RSA_EXPORT_WITH_DES40_CBC_SHA", "EXP-DES-CBC-SHA"},
	{0x0009, "TLS_RSA_WITH_DES_CBC_SHA", "DES-CBC-SHA"},
	{0x000A, "TLS_RSA_WITH_3DES_EDE_CBC_SHA", "DES-CBC3-SHA"},
	{0x0011, "TLS_DHE_DSS_EXPORT_WITH_DES40_CBC_SHA", "EXP-EDH-DSS-DES-CBC-SHA"},
	{0x0012, "TLS_DHE_DSS_WITH_DES_CBC_SHA", "EDH-DSS-DES-CBC-SHA"},
	{0x0013, "TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA", "EDH-DSS-DES-CBC3-SHA"},
	{0x0014, "TLS_DHE_RSA_EXPORT_WITH_DES40_CBC_SHA", "EXP-EDH-RSA-DES-CBC-SHA"},
	{0x0015, "TLS_DHE_RSA_WITH_DES_CBC_SHA", "EDH-RSA-DES-CBC-SHA"},
	{0x0016, "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA", "EDH-RSA-DES-CBC3-SHA"},
	{0x0017, "TLS_DH_anon_EXPORT_WITH_RC4_40_MD5", "EXP-ADH-RC4-MD5"},
	{0x0018, "TLS_DH_anon_WITH_RC4_128_MD5", "ADH-RC4-MD5"},
	{0x0019, "TLS_DH_anon_EXPORT_WITH_DES40_CBC_SHA", "EXP-ADH-DES-CBC-SHA"},
	{0x001A, "TLS_DH_anon_WITH_DES_CBC_SHA", "ADH-DES-CBC-SHA"},
	{0x001B, "TLS_DH_anon_WITH_3DES_EDE_CBC_SHA", "ADH-DES-CBC3-SHA"},
	{0x002F, "TLS_RSA_WITH_AES_128_CBC_SHA", "AES128-SHA"},
	{0x0032, "TLS_DHE_DSS_WITH_AES_128_CBC_SHA", "DHE-DSS-AES128-SHA"},
	{0x0033, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA", "DHE-RSA-AES128-SHA"},
	{0x0034, "TLS_DH_anon_WITH_AES_128_CBC_SHA", "ADH-AES128-SHA"},
	{0x0035, "TLS_RSA_WITH_AES_256_CBC_SHA", "AES256-SHA"},
	{0x0038, "TLS_DHE_DSS_WITH_AES_256_CBC_SHA", "DHE-DSS-AES256-SHA"},
	{0x0039, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA", "DHE-RSA-AES256-SHA"},
	{0x003A, "TLS_DH_anon_WITH_AES_256_CBC_SHA", "ADH-AES256-SHA"},
	{0x003B, "TLS_RSA_WITH_NULL_SHA256", "NULL-SHA256"},
	{0x003C, "TLS_RSA_WITH_AES_128_CBC_SHA256", "AES128-SHA256"},
	{0x003D, "TLS_RSA_WITH_AES_256_CBC_SHA256", "AES256-SHA256"},
	{0x0040, "TLS_DHE_DSS_WITH_AES_128_CBC_SHA256", "DHE-DSS-AES128-SHA256"},
	{0x0041, "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA", "CAMELLIA128-SHA"},
	{0x0044, "TLS_DHE_DSS_WITH_CAMELLIA_128_CBC_SHA", "DHE-DSS-CAMELLIA128-SHA"},
	{0x0045, "TLS_DHE_RSA_WITH_CAMELLIA_128_CBC_SHA", "DHE-RSA-CAMELLIA128-SHA"},
	{0x0046, "TLS_DH_anon_WITH_CAMELLIA_128_CBC_SHA", "ADH-CAMELLIA128-SHA"},
	{0x0067, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256", "DHE-RSA-AES128-SHA256"},
	{0x006A, "TLS_DHE_DSS_WITH_AES_256_CBC_SHA256", "DHE-DSS-AES256-SHA256"},
	{0x006B, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256", "DHE-RSA-AES256-SHA256"},
	{0x006C, "TLS_DH_anon_WITH_AES_128_CBC_SHA256", "ADH-AES128-SHA256"},
	{0x006D, "TLS_DH_anon_WITH_AES_256_CBC_SHA256", "ADH-AES256-SHA256"},
	{0x0084, "TLS_RSA_WITH_CAMELLIA_256_CBC_SHA", "CAMELLIA256-SHA"},
	{0x0087, "TLS_DHE_DSS_WITH_CAMELLIA_256_CBC_SHA", "DHE-DSS-CAMELLIA256-SHA"},
	{0x0088, "TLS_DHE_RSA_WITH_CAMELLIA_256_CBC_SHA", "DHE-RSA-CAMELLIA256-SHA"},
	{0x0089, "TLS_DH_anon_WITH_CAMELLIA_256_CBC_SHA", "ADH-CAMELLIA256-SHA"},
	{0x0096, "TLS_RSA_WITH_SEED_CBC_SHA", "SEED-SHA"},
	{0x0099, "TLS_DHE_DSS_WITH_SEED_CBC_SHA", "DHE-DSS-SEED-SHA"},
	{0x009A, "TLS_DHE_RSA_WITH_SEED_CBC_SHA", "DHE-RSA-SEED-SHA"},
	{0x009B, "TLS_DH_anon_WITH_SEED_CBC_SHA", "ADH-SEED-SHA"},
	{0x009C, "TLS_RSA_WITH_AES_128_GCM_SHA256", "AES128-GCM-SHA256"},
	{0x009D, "TLS_RSA_WITH_AES_256_GCM_SHA384", "AES256-GCM-SHA384"},
	{0x009E, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", "DHE-RSA-AES128-GCM-SHA256"},
	{0x009F, "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384", "DHE-RSA-AES256-GCM-SHA384"},
	{0x00A2, "TLS_DHE_DSS_WITH_AES_128_GCM_SHA256", "DHE-DSS-AES128-GCM-SHA256"},
	{0x00A3, "TLS_DHE_DSS_WITH_AES_256_GCM_SHA384", "DHE-DSS-AES256-GCM-SHA384"},
	{0x00A6, "TLS_DH_anon_WITH_AES_128_GCM_SHA256", "ADH-AES128-GCM-SHA256"},
	{0x00A7, "TLS_DH_anon_WITH_AES_256_GCM_SHA384", "ADH-AES256-GCM-SHA384"},
	{0x00BA, "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA256", "CAMELLIA128-SHA256"},
	{0x00BD, "TLS_DHE_DSS_WITH_CAMELLIA_128_CBC_SHA256", "DHE-DSS-CAMELLIA128-SHA256"},
	{0x00BE, "TLS_DHE_RSA_WITH_CAMELLIA_128_CBC_SHA256", "DHE-RSA-CAMELLIA128-SHA256"},
	{0x00BF, "TLS_DH_anon_WITH_CAMELLIA_128_CBC_SHA256", "ADH-CAMELLIA128-SHA256"},
	{0x00C0, "TLS_RSA_WITH_CAMELLIA_256_CBC_SHA256", "CAMELLIA256-SHA256"},
	{0x00C3, "TLS_DHE_DSS_WITH_CAMELLIA_256_CBC_SHA256", "DHE-DSS-CAMELLIA256-SHA256"},
	{0x00C4, "TLS_DHE_RSA_WITH_CAMELLIA_256_CBC_SHA256", "DHE-RSA-CAMELLIA256-SHA256"},
	{0x00C5, "TLS_DH_anon_WITH_CAMELLIA_256_CBC_SHA256", "ADH-CAMELLIA256-SHA256"},
	{0x1301, "TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"},
	{0x1302, "TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384"},
	{0x1303, "TLS_CHACHA20_POLY1305_SHA256", "TLS_CHACHA20_POLY1305_SHA256"},
	{0x1304, "TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_SHA256"},
	{0x1305, "TLS_AES_128_CCM_8_SHA256", "TLS_AES_128_CCM_8_SHA256"},
	{0xC002, "TLS_ECDH_ECDSA_WITH_RC4_128_SHA", "ECDH-ECDSA-RC4-SHA"},
	{0xC003, "TLS_ECDH_ECDSA_WITH_3DES_EDE_CBC_SHA", "ECDH-ECDSA-DES-CBC3-SHA"},
	{0xC004, "TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA", "ECDH-ECDSA-AES128-SHA"},
	{0xC005, "TLS_ECDH_ECDSA_WITH_AES_256_CBC_SHA", "ECDH-ECDSA-AES256-SHA"},
	{0xC006, "TLS_ECDHE_ECDSA_WITH_NULL_SHA", "ECDHE-ECDSA-NULL-SHA"},
	{0xC007, "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA", "ECDHE-ECDSA-RC4-SHA"},
	{0xC008, "TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA", "ECDHE-ECDSA-DES-CBC3-SHA"},
	{0xC009, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "ECDHE-ECDSA-AES128-SHA"},
	{0xC00A, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "ECDHE-ECDSA-AES256-SHA"},
	{0xC00C, "TLS_ECDH_RSA_WITH_RC4_128_SHA", "ECDH-RSA-RC4-SHA"},
	{0xC00D, "TLS_ECDH_RSA_WITH_3DES_EDE_CBC_SHA", "ECDH-RSA-DES-CBC3-SHA"},
	{0xC00E, "TLS_ECDH_RSA_WITH_AES_128_CBC_SHA", "ECDH-RSA-AES128-SHA"},
	{0xC00F, "TLS_ECDH_RSA_WITH_AES_256_CBC_SHA", "ECDH-RSA-AES256-SHA"},
	{0xC010, "TLS_ECDHE_RSA_WITH_NULL_SHA", "ECDHE-RSA-NULL-SHA"},
	{0xC011, "TLS_ECDHE_RSA_WITH_RC4_128_SHA", "ECDHE-RSA-RC4-SHA"},
	{0xC012, "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA", "ECDHE-RSA-DES-CBC3-SHA"},
	{0xC013, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA-AES128-SHA"},
	{0xC014, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA-AES256-SHA"},
	{0xC015, "TLS_ECDH_anon_WITH_NULL_SHA", "AECDH-NULL-SHA"},
	{0xC016, "TLS_ECDH_anon_WITH_RC4_128_SHA", "AECDH-RC4-SHA"},
	{0xC017, "TLS_ECDH_anon_WITH_3DES_EDE_CBC_SHA", "AECDH-DES-CBC3-SHA"},
	{0xC018, "TLS_ECDH_anon_WITH_AES_128_CBC_SHA", "AECDH-AES128-SHA"},
	{0xC019, "TLS_ECDH_anon_WITH_AES_256_CBC_SHA", "AECDH-AES256-SHA"},
	{0xC023, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", "ECDHE-ECDSA-AES128-SHA256"},
	{0xC024, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384", "ECDHE-ECDSA-AES256-SHA384"},
	{0xC027, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", "ECDHE-RSA-AES128-SHA256"},
	{0xC028, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384", "ECDHE-RSA-AES256-SHA384"},
	{0xC02B, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"},
	{0xC02C, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"},
	{0xC02F, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"},
	{0xC030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384"},
	{0xC050, "TLS_RSA_WITH_ARIA_128_GCM_SHA256", "ARIA128-GCM-SHA256"},
	{0xC051, "TLS_RSA_WITH_ARIA_256_GCM_SHA384", "ARIA256-GCM-SHA384"},
	{0xC052, "TLS_DHE_RSA_WITH_ARIA_128_GCM_SHA256", "DHE-RSA-ARIA128-GCM-SHA256"},
	{0xC053, "TLS_DHE_RSA_WITH_ARIA_256_GCM_SHA384", "DHE-RSA-ARIA256-GCM-SHA384"},
	{0xC056, "TLS_DHE_DSS_WITH_ARIA_128_GCM_SHA256", "DHE-DSS-ARIA128-GCM-SHA256"},
	{0xC057, "TLS_DHE_DSS_WITH_ARIA_256_GCM_SHA384", "DHE-DSS-ARIA256-GCM-SHA384"},
	{0xC05C, "TLS_ECDHE_ECDSA_WITH_ARIA_128_GCM_SHA256", "ECDHE-ECDSA-ARIA128-GCM-SHA256"},
	{0xC05D, "TLS_ECDHE_ECDSA_WITH_ARIA_256_GCM_SHA384", "ECDHE-ECDSA-ARIA256-GCM-SHA384"},
	{0xC060, "TLS_ECDHE_RSA_WITH_ARIA_128_GCM_SHA256", "ECDHE-ARIA128-GCM-SHA256"},
	{0xC061, "TLS_ECDHE_RSA_WITH_ARIA_256_GCM_SHA384", "ECDHE-ARIA256-GCM-SHA384"},
	{0xC072, "TLS_ECDHE_ECDSA_WITH_CAMELLIA_128_CBC_SHA256", "ECDHE-ECDSA-CAMELLIA128-SHA256"},
	{0xC073, "TLS_ECDHE_ECDSA_WITH_CAMELLIA_256_CBC_SHA384", "ECDHE-ECDSA-CAMELLIA256-SHA384"},
	{0xC076, "TLS_ECDHE_RSA_WITH_CAMELLIA_128_CBC_SHA256", "ECDHE-RSA-CAMELLIA128-SHA256"},
	{0xC077, "TLS_ECDHE_RSA_WITH_CAMELLIA_256_CBC_SHA384", "ECDHE-RSA-CAMELLIA256-SHA384"},
	{0xCCA8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"},
	{0xCCA9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"},
	{0xCCAA, "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "DHE-RSA-CHACHA20-POLY1305"},
	{0xC09C, "TLS_RSA_WITH_AES_128_CCM", "AES128-CCM"},
	{0xC09D, "TLS_RSA_WITH_AES_256_CCM", "AES256-CCM"},
	{0xC09E, "TLS_DHE_RSA_WITH_AES_128_CCM", "DHE-RSA-AES128-CCM"},
	{0xC09F, "TLS_DHE_RSA_WITH_AES_256_CCM", "DHE-RSA-AES256-CCM"},
	{0xC0A0, "TLS_RSA_WITH_AES_128_CCM_8", "AES128-CCM8"},
	{0xC0A1, "TLS_RSA_WITH_AES_256_CCM_8", "AES256-CCM8"},
	{0xC0A2, "TLS_DHE_RSA_WITH_AES_128_CCM_8", "DHE-RSA-AES128-CCM8"},
	{0xC0A3, "TLS_DHE_RSA_WITH_AES_256_CCM_8", "DHE-RSA-AES256-CCM8"},
	{0xC0AC, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM", "ECDHE-ECDSA-AES128-CCM"},
	{0xC0AD, "TLS_ECDHE_ECDSA_WITH_AES_256_CCM", "ECDHE-ECDSA-AES256-CCM"},
	{0xC0AE, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8", "ECDHE-ECDSA-AES128-CCM8"},
	{0xC0AF, "TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8", "ECDHE-ECDSA-AES256-CCM8"},
}

// modern reports whether it is one of TLS 1.3, which has suites of its own.
func (s Suite) modern() bool { return s.ID>>8 == 0x13 }

// Anonymous reports whether it goes without a certificate.
func (s Suite) Anonymous() bool { return strings.Contains(s.Name, "_anon_") }

// In reports whether a suite of TLS 1.2 or older is in a class of openssl-ciphers(1), is
// in all classes of several that are joined by +, or has that name.
func (s Suite) In(class string) bool {
	if class == s.OpenSSL || class == s.Name {
		return true
	}
	if first, rest, several := strings.Cut(class, "+"); several {
		return s.In(first) && s.In(rest)
	}
	in, ok := classes[class]
	if !ok {
		return false
	}
	exchange, cipher, _ := strings.Cut(strings.TrimPrefix(s.Name, "TLS_"), "_WITH_")
	return in(exchange, "_"+cipher)
}

// classes are the aliases of ssl_ciph.c, as tests of IANA names: of what stands before and
// after "_WITH_".
var classes = map[string]func(exchange, cipher string) bool{
	"aNULL": byExchange("DH_anon", "ECDH_anon"), "ADH": byExchange("DH_anon"), "AECDH": byExchange("ECDH_anon"),
	"kRSA": byExchange("RSA"), "RSA": byExchange("RSA"),
	"aRSA":   byExchange("RSA", "DHE_RSA", "ECDHE_RSA"),
	"aECDSA": byExchange("ECDHE_ECDSA"), "ECDSA": byExchange("ECDHE_ECDSA"),
	"aDSS": byExchange("DHE_DSS"), "DSS": byExchange("DHE_DSS"),
	"kDHE": byExchange("DHE_RSA", "DHE_DSS", "DH_anon"), "kEDH": byExchange("DHE_RSA", "DHE_DSS", "DH_anon"), "DH": byExchange("DHE_RSA", "DHE_DSS", "DH_anon"),
	"DHE": byExchange("DHE_RSA", "DHE_DSS"), "EDH": byExchange("DHE_RSA", "DHE_DSS"),
	"kECDHE": byExchange("ECDHE_RSA", "ECDHE_ECDSA", "ECDH_anon"), "kEECDH": byExchange("ECDHE_RSA", "ECDHE_ECDSA", "ECDH_anon"), "ECDH": byExchange("ECDHE_RSA", "ECDHE_ECDSA", "ECDH_anon"),
	"ECDHE": byExchange("ECDHE_RSA", "ECDHE_ECDSA"), "EECDH": byExchange("ECDHE_RSA", "ECDHE_ECDSA"),
	"AES": byCipher("_AES_"), "AES128": byCipher("_AES_128_"), "AES256": byCipher("_AES_256_"),
	"AESGCM": byCipher("_AES_128_GCM_", "_AES_256_GCM_"), "AESCCM": byCipher("_CCM"), "AESCCM8": byCipher("_CCM_8"),
	"CHACHA20": byCipher("_CHACHA20_"),
	"CAMELLIA": byCipher("_CAMELLIA_"), "CAMELLIA128": byCipher("_CAMELLIA_128_"), "CAMELLIA256": byCipher("_CAMELLIA_256_"),
	"ARIA": byCipher("_ARIA_"), "ARIA128": byCipher("_ARIA_128_"), "ARIA256": byCipher("_ARIA_256_"), "ARIAGCM": byCipher("_ARIA_"),
	"SEED": byCipher("_SEED_"), "RC4": byCipher("_RC4_"), "3DES": byCipher("_3DES_"), "IDEA": byCipher("_IDEA_"), "eNULL": byCipher("_NULL_"), "NULL": byCipher("_NULL_"),
	"SHA1": byMAC("_SHA"), "SHA": byMAC("_SHA"), "MD5": byMAC("_MD5"),
	"SHA256": byMAC("_CBC_SHA256", "_NULL_SHA256"), "SHA384": byMAC("_CBC_SHA384"), // GCM and ChaCha20 have no MAC
}

func byExchange(names ...string) func(string, string) bool {
	return func(exchange, _ string) bool { return slices.Contains(names, exchange) }
}

func byCipher(parts ...string) func(string, string) bool {
	return func(_, cipher string) bool {
		return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(cipher, p) })
	}
}

func byMAC(ends ...string) func(string, string) bool {
	return func(_, cipher string) bool {
		return slices.ContainsFunc(ends, func(e string) bool { return strings.HasSuffix(cipher, e) })
	}
}

// Known reports whether a word is a class that In knows, or the name of a suite.
func Known(class string) bool {
	_, ok := classes[class]
	return ok || slices.ContainsFunc(suites, func(s Suite) bool { return s.OpenSSL == class })
}

// Strong are the suites of TLS 1.2 and older that OpenSSL calls HIGH, as it is built by
// default: those without a certificate among them (openssl-ciphers(1)).
func Strong() []Suite { return slices.Clone(strong) }

var strong = slices.DeleteFunc(slices.Clone(suites), func(s Suite) bool {
	weak := slices.ContainsFunc([]string{"_NULL_", "EXPORT", "_RC4_", "_RC2_", "_DES_", "_DES40_", "_3DES_", "_IDEA_", "_SEED_", "_DSS_", "_ECDH_ECDSA_", "_ECDH_RSA_"},
		func(word string) bool { return strings.Contains(s.Name, word) })
	return weak || s.modern()
})

// suiteByID finds a suite.
var suiteByID = func() map[uint16]Suite {
	out := map[uint16]Suite{}
	for _, s := range suites {
		out[s.ID] = s
	}
	return out
}()

// elliptic reports whether its key exchange is by elliptic curves.
func (s Suite) elliptic() bool { return strings.Contains(s.Name, "_ECDH") }
