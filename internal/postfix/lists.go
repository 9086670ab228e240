package postfix

import "strings"

// commaSpace is Postfix's CHARS_COMMA_SP (mystring.h): what divides most lists.
const commaSpace = ", \t\r\n"

// List splits the value of a parameter that is a list, such as smtpd_tls_chain_files, at
// commas and white space.
func List(value string) []string { return split(value, commaSpace) }

// TLSList splits a list of protocols, of cipher classes or of key exchange groups. In these,
// and in no others, colons divide as well (tls_misc.c, tls_proto_mask_lims and
// tls_set_cipher; since 3.10 tls_dh.c, setup_auto_groups).
func TLSList(value string) []string { return split(value, commaSpace+":") }

func split(value, at string) []string {
	return strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(at, r) })
}

// Tables splits a list of lookup tables, such as smtp_tls_policy_maps, at commas and
// white space outside braces: "inline:{ {a = b} }" is one table (postconf(5),
// DATABASE_README; mystrtokq(3)).
func Tables(value string) []string {
	var out []string
	depth, begin := 0, -1
	for i, r := range value {
		switch {
		case r == '{':
			depth++
		case r == '}' && depth > 0:
			depth--
		}
		divides := depth == 0 && strings.ContainsRune(commaSpace, r)
		if !divides && begin < 0 {
			begin = i
		} else if divides && begin >= 0 {
			out, begin = append(out, value[begin:i]), -1
		}
	}
	if begin >= 0 {
		out = append(out, value[begin:])
	}
	return out
}
