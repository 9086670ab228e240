package internal_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// doors are the functions through which something comes in or goes out, and the one
// place in which each is checked. What calls them elsewhere takes another way in, and
// says here why it may.
var doors = []struct {
	pkg   string
	names []string
	door  string
	// but are the files, or folders, that may call them, each with its reason.
	but map[string]string
}{
	{"os", []string{
		"Chmod", "Chown", "Chtimes", "Create", "CreateTemp", "Lchown", "Link", "Mkdir", "MkdirAll", "MkdirTemp", "Open", "OpenFile", "OpenRoot",
		"ReadDir", "ReadFile", "Remove", "RemoveAll", "Rename", "Symlink", "Truncate", "WriteFile", "DirFS", "CopyFS",
	}, "internal/host checks types, owners and links", map[string]string{
		"internal/host":            "it is the door",
		"internal/lab":             "tests only",
		"internal/story":           "tests only",
		"internal/rehearse":        "its own folder, new and 0700 (place.go), and its master",
		"cmd/postseal/demo.go":     "its own folder, which is new",
		"cmd/postseal/rehearse.go": "/proc/self/comm",
		"certs/dnsproviders/gen":   "it makes source code",
	}},
	{"os/exec", []string{"Command", "CommandContext", "LookPath"}, "internal/host finds programs and cleans their environment", map[string]string{
		"internal/host":          "it is the door",
		"internal/lab":           "tests only",
		"internal/story":         "tests only",
		"internal/rehearse":      "its own master, with the environment of host",
		"cmd/postseal/demo.go":   "it looks whether there is a postconf",
		"certs/acme/dns.go":      "the program that a person has named, with the environment of host",
		"certs/dnsproviders/gen": "it makes source code",
	}},
	{"os", []string{"Getenv", "LookupEnv", "Environ", "ExpandEnv"}, "flags and answers say what is wanted", map[string]string{
		"internal/host":         "what is handed on to programs, and SUDO_UID",
		"internal/lab":          "tests only",
		"internal/story":        "tests only",
		"cmd/cli/cli.go":        "TERM, NO_COLOR and COLUMNS",
		"wizard":                "TERM",
		"certs/acme/legodns":    "the library takes its settings from there, and only ours",
		"certs/acme/webroot.go": "INVOCATION_ID, for a hint",
	}},
	{"crypto/x509", []string{
		"ParseCertificate", "ParseCertificates", "ParseECPrivateKey", "ParsePKCS1PrivateKey", "ParsePKCS8PrivateKey", "ParsePKCS1PublicKey", "ParsePKIXPublicKey", "ParseRevocationList",
	}, "certs.Parse and certs.ParseKey refuse what takes minutes to check", map[string]string{
		"certs/limits.go":           "it is the door",
		"certs/load.go":             "what it has parsed already, as Postfix would",
		"certs/pem.go":              "part of the door",
		"internal/sink/identity.go": "what it has made itself",
		"certs/client.go":           "what it has made itself",
		"internal/lab":              "tests only",
	}},
	{"net", []string{"LookupHost", "LookupIP", "LookupAddr", "LookupMX", "LookupTXT", "LookupCNAME", "LookupNS", "DefaultResolver"}, "resolve.Resolver, which tells absent and unknown apart", nil},
	{"crypto/tls", []string{"LoadX509KeyPair", "X509KeyPair"}, "certs.Read", map[string]string{"internal/lab": "tests only"}},
}

// strays are calls that take another way in than the doors.
func strays(file string, src *ast.File) (out []string) {
	names := map[string]string{} // of the imports here
	for _, i := range src.Imports {
		path, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			continue
		}
		name := path[strings.LastIndexByte(path, '/')+1:]
		if i.Name != nil {
			name = i.Name.Name
		}
		names[name] = path
	}
	ast.Inspect(src, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		x, ok := s.X.(*ast.Ident)
		if !ok {
			return true
		}
		for _, d := range doors {
			if names[x.Name] != d.pkg || !slices.Contains(d.names, s.Sel.Name) {
				continue
			}
			allowed := false
			for but := range d.but {
				allowed = allowed || file == but || strings.HasPrefix(file, but+"/")
			}
			if !allowed {
				out = append(out, fmt.Sprintf("%s calls %s.%s: %s", file, x.Name, s.Sel.Name, d.door))
			}
		}
		return true
	})
	return out
}

// TestLookups: every lookup goes through package resolve, whose answers tell absent and
// unknown apart.
func TestLookups(t *testing.T) {
	seen := false
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file := filepath.ToSlash(strings.TrimPrefix(path, "../"))
		src, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(src, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok || s.Sel.Name != "LookUp" {
				return true
			}
			seen = true
			if !strings.HasPrefix(file, "internal/resolve/") && !strings.HasPrefix(file, "internal/host/") {
				t.Errorf("%s asks DNS by itself: use resolve.Resolver", file)
			}
			return true
		})
		return nil
	})
	if err != nil || !seen {
		t.Fatal(err, seen)
	}
}

// TestDoors: what comes from outside, and what goes there, takes the doors.
func TestDoors(t *testing.T) {
	used := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		src, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution|parser.ParseComments)
		if err != nil {
			return err
		}
		file := filepath.ToSlash(strings.TrimPrefix(path, "../"))
		used[file] = true
		for dir := filepath.Dir(file); dir != "."; dir = filepath.Dir(dir) {
			used[dir] = true
		}
		for _, s := range strays(file, src) {
			t.Error(s)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range doors {
		for but, why := range d.but {
			if !used[but] || why == "" {
				t.Errorf("the exception %q of %s has no file or no reason", but, d.pkg)
			}
		}
	}
}

// TestDoorsCanFail sees each door refuse a call, also by another name.
func TestDoorsCanFail(t *testing.T) {
	for _, d := range doors {
		for _, name := range d.names {
			text := fmt.Sprintf("package p\nimport x %q\nvar _ = x.%s\n", d.pkg, name)
			src, err := parser.ParseFile(token.NewFileSet(), "p.go", text, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			if got := strays("internal/plan/p.go", src); len(got) != 1 {
				t.Errorf("%s.%s: %q", d.pkg, name, got)
			}
			for but := range d.but {
				if got := strays(but, src); len(got) != 0 {
					t.Errorf("%s may not call %s.%s: %q", but, d.pkg, name, got)
				}
			}
		}
	}
}
