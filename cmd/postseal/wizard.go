package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func (a *app) runWizard(*cobra.Command) error { return usageError{errors.New("no terminal")} }
func (a *app) wizard(filesOnly bool) error    { return usageError{errors.New("no terminal")} }
