// Package faults breaks one thing at a time while the real postseal changes a
// real Postfix on a disposable machine, and looks what is left: whether the
// configuration is the old one or the new one, whether mail is still taken, and
// whether the next run puts things right. It is tests only; make faults runs
// all of them, and go test a slice.
package faults
