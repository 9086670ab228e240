package wizard

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// TestNoCommandIsDropped: a command that a function returns and its caller ignores is
// never carried out, and the page that waits for its message waits for ever.
func TestNoCommandIsDropped(t *testing.T) {
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	fset, commands := token.NewFileSet(), map[string]bool{}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && returnsCommand(fn.Type) {
				commands[fn.Name.Name] = true
			}
		}
	}
	if !commands["showOrder"] || !commands["back"] {
		t.Fatalf("functions that return commands: %v", commands)
	}
	dropped := func(e ast.Expr) {
		call, ok := e.(*ast.CallExpr)
		if !ok {
			return
		}
		name := ""
		switch fn := call.Fun.(type) {
		case *ast.Ident:
			name = fn.Name
		case *ast.SelectorExpr:
			if of, ok := fn.X.(*ast.Ident); ok && of.Name == "m" {
				name = fn.Sel.Name
			}
		}
		if commands[name] {
			t.Errorf("%s: the command that %s returns is dropped", fset.Position(call.Pos()), name)
		}
	}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ExprStmt:
				dropped(n.X)
			case *ast.AssignStmt:
				for i, left := range n.Lhs {
					if id, ok := left.(*ast.Ident); ok && id.Name == "_" && i < len(n.Rhs) {
						dropped(n.Rhs[i])
					}
				}
			}
			return true
		})
	}
}

// returnsCommand reports whether a function returns a tea.Cmd.
func returnsCommand(fn *ast.FuncType) bool {
	if fn.Results == nil {
		return false
	}
	for _, r := range fn.Results.List {
		if s, ok := r.Type.(*ast.SelectorExpr); ok && s.Sel.Name == "Cmd" {
			return true
		}
	}
	return false
}
