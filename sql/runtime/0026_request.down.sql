drop table mlguard._request;

drop function
  mlguard._judge_request, mlguard.request_acting_v1, mlguard.request_due_v1, mlguard.request_refused_v1;
