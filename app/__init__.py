"""PC Workbench: the browser application over the engine `pccore`."""
