DROP TABLE deployment_trace;
DROP TABLE deployment_trace_span;
DROP TABLE workspace;
DROP FUNCTION deployment_workspace_deleted();
