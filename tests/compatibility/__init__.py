"""Pictures for reports/compatibility: methods beside a ControlNet, an image prompt, a changed base and a style."""
