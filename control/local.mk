# control: baton, the operator's command
